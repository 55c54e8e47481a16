/* SPDX-License-Identifier: Apache-2.0 */
/* The change map against a plain array of what each chunk must be. */
#include <stdlib.h>

#include "agent/change_map.h"
#include "base/err.h"
#include "tests/unit.h"

#define KIB 1024u
#define CHUNK (64u * KIB)

static struct change_map make(uint64_t size)
{
	struct stream_shape shape = {size, CHUNK_EXPONENT_DISK};
	struct change_map map;
	struct err *err = NULL;

	assert_true(change_map_init(&map, &shape, &err));
	return map;
}

static void empty_disk_has_no_runs(void **state)
{
	struct change_map map = make(0);
	struct change_run run;

	(void)state;
	change_map_add(&map, &(struct extent){0, CHUNK, true, false});
	change_map_mark(&map, 0, 10);
	assert_false(change_map_next(&map, 0, &run));
	assert_int_equal(change_map_read_bytes(&map), 0);
	change_map_release(&map);
}

static void a_byte_marks_its_chunk(void **state)
{
	struct change_map map = make(10 * CHUNK + 1);
	struct change_run run;

	(void)state;
	change_map_add(&map, &(struct extent){3 * CHUNK - 1, 2, true, false});
	change_map_add(&map, &(struct extent){10 * CHUNK, 1, true, false});
	assert_true(change_map_next(&map, 0, &run));
	assert_int_equal(run.kind, CHANGE_READ);
	assert_int_equal(run.first, 2);
	assert_int_equal(run.end, 4);
	assert_true(change_map_next(&map, run.end, &run));
	assert_int_equal(run.first, 10);
	assert_int_equal(run.end, 11);
	assert_false(change_map_next(&map, run.end, &run));
	change_map_release(&map);
}

static void a_chunk_with_any_data_is_read(void **state)
{
	struct change_map map = make(4 * CHUNK);
	struct change_run run;

	(void)state;
	change_map_add(&map, &(struct extent){0, 2 * CHUNK, true, true});
	change_map_add(&map, &(struct extent){CHUNK + 4 * KIB, 4 * KIB, false, false});
	assert_true(change_map_next(&map, 0, &run));
	assert_int_equal(run.kind, CHANGE_PUNCH);
	assert_int_equal(run.end, 1);
	assert_true(change_map_next(&map, 1, &run));
	assert_int_equal(run.kind, CHANGE_READ);
	assert_int_equal(run.end, 2);
	assert_int_equal(change_map_read_bytes(&map), CHUNK);
	change_map_release(&map);
}

static void extents_may_end_behind_the_disk(void **state)
{
	struct change_map map = make(2 * CHUNK);
	struct change_run run;

	(void)state;
	change_map_add(&map, &(struct extent){CHUNK, UINT64_MAX - CHUNK, true, false});
	change_map_add(&map, &(struct extent){UINT64_MAX - 5, 5, true, false});
	assert_true(change_map_next(&map, 0, &run));
	assert_int_equal(run.first, 1);
	assert_int_equal(run.end, 2);
	change_map_release(&map);
}

/* What the runs say of each chunk: 'k' kept, 'r' read, 'p' punched. */
static void runs_to_text(const struct change_map *map, char *text)
{
	struct change_run run;
	uint64_t at = 0;

	for (uint64_t i = 0; i < map->chunks; i++)
		text[i] = 'k';
	while (change_map_next(map, at, &run)) {
		assert_true(run.first >= at && run.first < run.end && run.end <= map->chunks);
		for (uint64_t i = run.first; i < run.end; i++)
			text[i] = run.kind == CHANGE_READ ? 'r' : 'p';
		at = run.end;
	}
}

static void random_extents_agree_with_a_plain_array(void **state)
{
	enum { CHUNKS = 777 };
	bool changed[CHUNKS], data[CHUNKS];
	char text[CHUNKS];

	(void)state;
	srandom(7);
	for (int round = 0; round < 300; round++) {
		struct change_map map = make((uint64_t)CHUNKS * CHUNK);

		for (int i = 0; i < CHUNKS; i++)
			changed[i] = data[i] = false;
		for (int n = 0; n < 12; n++) {
			uint64_t first = (uint64_t)random() % CHUNKS;
			uint64_t end = first + 1 + (uint64_t)random() % (CHUNKS - first);
			struct extent extent = {first * CHUNK, (end - first) * CHUNK, random() % 2, random() % 2};

			change_map_add(&map, &extent);
			for (uint64_t i = first; i < end; i++) {
				changed[i] |= extent.changed;
				data[i] |= !extent.zero;
			}
		}
		runs_to_text(&map, text);
		for (int i = 0; i < CHUNKS; i++)
			assert_int_equal(text[i], !changed[i] ? 'k' : data[i] ? 'r' : 'p');
		change_map_release(&map);
	}
}

/* Every kept chunk is found by its rank, and each kind has as many as were counted. */
static void find_all_kept(const struct change_map *map, bool data, const char *text, char kind)
{
	uint64_t n = change_map_count_kept(map, data), at = 0;

	for (uint64_t rank = 0; rank < n; rank++, at++) {
		uint64_t chunk;

		while (at < map->chunks && text[at] != kind)
			at++;
		change_map_find_kept(map, data, &rank, 1, &chunk);
		assert_int_equal(chunk, at);
	}
	for (; at < map->chunks; at++)
		assert_true(text[at] != kind);
}

static void kept_chunks_are_counted_and_found(void **state)
{
	enum { CHUNKS = 333 };
	char text[CHUNKS];

	(void)state;
	srandom(8);
	for (int round = 0; round < 100; round++) {
		struct change_map map = make((uint64_t)CHUNKS * CHUNK - 5), copy;

		for (uint64_t i = 0; i < CHUNKS; i++) {
			struct extent extent = {i * CHUNK, CHUNK, random() % 2, random() % 2};

			change_map_add(&map, &extent);
			text[i] = extent.changed ? '-' : extent.zero ? 'z' : 'd';
		}
		assert_true(change_map_copy(&map, &copy, &(struct err *){NULL}));
		find_all_kept(&copy, true, text, 'd');
		find_all_kept(&copy, false, text, 'z');
		for (uint64_t i = 0; i < CHUNKS; i++)
			assert_int_equal(change_map_keeps(&map, i), text[i] != '-');
		assert_false(change_map_keeps(&map, CHUNKS));
		change_map_release(&map);
		change_map_release(&copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_disk_has_no_runs),
		cmocka_unit_test(a_byte_marks_its_chunk),
		cmocka_unit_test(a_chunk_with_any_data_is_read),
		cmocka_unit_test(extents_may_end_behind_the_disk),
		cmocka_unit_test(random_extents_agree_with_a_plain_array),
		cmocka_unit_test(kept_chunks_are_counted_and_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
