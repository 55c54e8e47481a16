/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/pack_read.h"

#include <string.h>

#include "base/err.h"
#include "base/pool.h"
#include "tests/error.h"
#include "tests/storage/store.h"

enum { CHUNKS = 300, CHUNK = 4096, THREADS = 4 };

struct shelf {
	struct store *store;
	struct tree_ref refs[CHUNKS];
	uint8_t plain[CHUNKS][CHUNK];
};

/* Chunks in several packs; some compress. */
static void fill(struct shelf *shelf, struct store *store)
{
	shelf->store = store;
	for (uint32_t i = 0; i < CHUNKS; i++) {
		for (uint32_t k = 0; k < CHUNK; k++)
			shelf->plain[i][k] = (uint8_t)(i % 3 ? 1 + (i + k / 100) : (i * 7919u + k * 2654435761u) >> 13);
		shelf->plain[i][0] = (uint8_t)i;
		shelf->plain[i][1] = (uint8_t)(i >> 8);
		store_chunk(store, SPAN_OF(shelf->plain[i]), &shelf->refs[i]);
		if (i % 90 == 89)
			store_flush(store);
	}
	store_flush(store);
}

static void order(const struct shelf *shelf, uint32_t i, uint8_t *plain, struct chunk_ref *ret)
{
	*ret = (struct chunk_ref){.id = shelf->refs[i].id, .at = shelf->refs[i].at, .plain_len = CHUNK, .plain = plain};
}

static void any_order_is_served_where_it_was_asked(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	static struct shelf shelf;
	static struct chunk_ref refs[2 * CHUNKS];
	static uint8_t plain[2 * CHUNKS][CHUNK];
	fill(&shelf, *state);
	for (uint32_t i = 0; i < 2 * CHUNKS; i++) /* each twice */
		order(&shelf, i * 77 % CHUNKS, plain[i], &refs[i]);
	if (!pack_reader_chunks(shelf.store->packs, refs, 2 * CHUNKS, &err))
		fail_msg("%s", err_message(err));
	for (uint32_t i = 0; i < 2 * CHUNKS; i++) {
		assert_ptr_equal(refs[i].plain, plain[i]);
		assert_memory_equal(plain[i], shelf.plain[i * 77 % CHUNKS], CHUNK);
	}
	assert_true(pack_reader_chunks(shelf.store->packs, refs, 0, &err));
}

static bool read_everything(void *arg, struct err **errp)
{
	const struct shelf *shelf = arg;
	for (uint32_t i = 0; i < 4 * CHUNKS; i++) {
		uint8_t plain[CHUNK];
		struct chunk_ref ref;
		order(shelf, i * 97 % CHUNKS, plain, &ref);
		if (!pack_reader_chunks(shelf->store->packs, &ref, 1, errp))
			return false;
		if (memcmp(plain, shelf->plain[i * 97 % CHUNKS], CHUNK) != 0)
			return err_set(errp, ERR_FAILED, "chunk %u has other bytes", i * 97 % CHUNKS);
	}
	return true;
}

/* With a cache too small for even one footer, packs come and go under the readers. */
static void many_threads_share_a_tiny_cache(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	static struct shelf shelf;
	struct store *store = *state;
	fill(&shelf, store);
	pack_reader_free(store->packs);
	store->packs = pack_reader_new(store->repository, 1, &err);
	struct pool *pool = pool_start("read", THREADS, read_everything, NULL, &shelf, &err);
	if (!pool || !pool_join(pool, &err))
		fail_msg("%s", err_message(err));
}

static void expect_failure(struct store *store, struct chunk_ref *ref, enum err_code code, const char *words)
{
	AUTO(err_freep) struct err *err = NULL;
	char name[OBJECT_NAME_SIZE];
	assert_false(pack_reader_chunks(store->packs, ref, 1, &err));
	assert_string_equal(err_object(err), object_name_pack(PACK_CHUNKS, &ref->at.session, ref->at.seq, name));
	assert_error(&err, code, words);
}

static void wrong_locators_are_damage_and_named(void **state)
{
	static struct shelf shelf;
	struct store *store = *state;
	uint8_t plain[CHUNK + 1];
	struct chunk_ref right, ref;
	fill(&shelf, store);
	order(&shelf, 12, plain, &right);
	ref = right;
	ref.at.entry++;
	expect_failure(store, &ref, ERR_CORRUPT, "entry 13: ");
	ref.at.entry = 60000;
	expect_failure(store, &ref, ERR_CORRUPT, "entry 60000: ");
	ref = right;
	ref.plain_len++;
	expect_failure(store, &ref, ERR_CORRUPT, "entry 12: ");
	ref = right;
	ref.at.seq = 4711;
	expect_failure(store, &ref, ERR_CORRUPT, "p/");
}

/* Writes a pack of one chunk under a new number, with one bit flipped. */
static void flip(struct store *store, struct span pack, size_t at, const struct chunk_ref *ref)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes copy;
	char name[OBJECT_NAME_SIZE];
	bytes_init(&copy, pack.len);
	bytes_put(&copy, pack.data, pack.len);
	copy.data[at] ^= 1;
	object_name_pack(PACK_CHUNKS, &ref->at.session, ref->at.seq, name);
	assert_true(backend_put(repository_backend(store->repository), name, bytes_span(&copy), &err));
}

static void every_flipped_byte_of_a_pack_is_noticed(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct store *store = *state;
	uint8_t stored[CHUNK], plain[CHUNK];
	char name[OBJECT_NAME_SIZE];
	struct tree_ref at;
	memset(stored, 'x', CHUNK);
	store_chunk(store, SPAN_OF(stored), &at);
	store_flush(store);
	struct chunk_ref ref = {.id = at.id, .at = at.at, .plain_len = CHUNK, .plain = plain};
	AUTO(bytes_release) struct bytes pack = {0};
	object_name_pack(PACK_CHUNKS, &at.at.session, at.at.seq, name);
	assert_true(backend_get(repository_backend(store->repository), name, PACK_MAX_SIZE, &pack, &err));
	for (size_t i = 0; i < pack.len; i++) {
		flip(store, bytes_span(&pack), i, &ref);
		pack_reader_free(store->packs);
		store->packs = pack_reader_new(store->repository, 1 << 20, &err);
		expect_failure(store, &ref, ERR_CORRUPT, "pack p/");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_order_is_served_where_it_was_asked),
		cmocka_unit_test(many_threads_share_a_tiny_cache),
		cmocka_unit_test(wrong_locators_are_damage_and_named),
		cmocka_unit_test(every_flipped_byte_of_a_pack_is_noticed),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
