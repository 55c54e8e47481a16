/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/pack_map.h"

#include <stdlib.h>

#include "base/err.h"
#include "tests/unit.h"

enum { WRITERS = 3, NUMBERS = 5, SEQS = 40, PLACES = WRITERS * NUMBERS * SEQS, ROUNDS = 4 };

/* What it should know: of each pack, by its place. */
static struct pack {
	bool is_there;
	unsigned freed;
} packs[PLACES];

/* In ascending order, with gaps. */
static struct locator locator_of(size_t place)
{
	struct locator at = {.seq = (uint32_t)(place % SEQS * 1000), .entry = (uint16_t)random()};
	at.session.number = place / SEQS % NUMBERS * 1000;
	at.session.writer[WRITER_SIZE - 1] = (uint8_t)(place / SEQS / NUMBERS);
	return at;
}

static void count_freed(void *value)
{
	((struct pack *)value)->freed++;
}

static void check(const struct pack_map *map)
{
	size_t n = 0;
	for (size_t i = 0; i < PLACES; i++) {
		const struct locator at = locator_of(i);
		assert_ptr_equal(pack_map_find(map, &at), packs[i].is_there ? &packs[i] : NULL);
		if (packs[i].is_there)
			assert_ptr_equal(map->items[n++].value, &packs[i]);
	}
	assert_int_equal(map->n, n);
}

static void add(struct pack_map *map, size_t place)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct locator at = locator_of(place);
	if (packs[place].is_there)
		return;
	assert_true(pack_map_add(map, &at, &packs[place], &err));
	packs[place].is_there = true;
}

static void any_order_gives_the_same(void **state)
{
	(void)state;
	srandom(11);
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct pack_map map = {0};
		for (size_t i = 0; i < PLACES; i++)
			packs[i] = (struct pack){0};
		check(&map);
		for (size_t i = 0; i < PLACES; i++) {
			add(&map, (size_t)random() % PLACES);
			if (i % 50 == 0)
				check(&map);
		}
		check(&map);
		pack_map_release(&map, count_freed);
		assert_int_equal(map.n, 0);
		for (size_t i = 0; i < PLACES; i++)
			assert_int_equal(packs[i].freed, packs[i].is_there);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(any_order_gives_the_same)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
