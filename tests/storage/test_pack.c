/* SPDX-License-Identifier: Apache-2.0 */
/* Making packs, and every kind of damage to a small one. */
#include "storage/pack_write.h"

#include <stdatomic.h>
#include <string.h>

#include "base/err.h"
#include "base/pool.h"
#include "tests/storage/store.h"
#include "tests/unit.h"

enum { CHUNKS = 5, CHUNK = 700, THREADS = 4, MANY = 400, LARGE = 65536 };

static void make_chunk(uint32_t number, uint8_t *plain, size_t len)
{
	for (size_t i = 0; i < len; i++)
		plain[i] = (uint8_t)((number * 2654435761u + (i / (1 + number % 3)) * 40503u) >> 7);
}

/* A pack of CHUNKS chunks as bytes. */
static struct bytes make_pack(struct store *store, enum pack_class cls, uint32_t seq)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(pack_writer_freep)
	struct pack_writer *pack = pack_writer_new(store->repository, cls, &store->session, seq, &err);
	assert_non_null(pack);
	for (uint32_t i = 0; i < CHUNKS; i++) {
		uint8_t plain[CHUNK];
		struct chunk_id id;
		make_chunk(i, plain, CHUNK);
		assert_true(chunk_identify(store->keys, SPAN_OF(plain), &id, &err));
		struct pack_place place = pack_writer_reserve(pack, &id, CHUNK, CODEC_RAW, CHUNK);
		assert_true(pack_writer_seal(pack, place, SPAN_OF(plain), &err));
	}
	struct span bytes;
	uint8_t hash[HASH_SIZE], again[HASH_SIZE];
	assert_true(pack_writer_finish(pack, &bytes, hash, &err));
	assert_true(crypto_sha256(&bytes, 1, again, &err));
	assert_memory_equal(hash, again, HASH_SIZE);
	struct bytes copy;
	bytes_init(&copy, bytes.len);
	bytes_put(&copy, bytes.data, bytes.len);
	assert_true(bytes_ok(&copy));
	return copy;
}

static bool open_footer(const struct store *store, enum pack_class cls, uint32_t seq, struct span pack,
			struct pack_footer *ret, struct err **errp)
{
	uint64_t needed;
	struct span head = SPAN(pack.data, pack.len < PACK_HEAD_SIZE ? pack.len : PACK_HEAD_SIZE);
	return pack_footer_extent(pack, pack.len, &needed, errp) &&
	       pack_footer_open(store->repository, cls, &store->session, seq, head, pack, pack.len, ret, errp);
}

static void footers_say_what_was_put(void **state)
{
	struct store *store = *state;
	const enum pack_class classes[] = {PACK_CHUNKS, PACK_META};
	for (size_t c = 0; c < ARRAY_LENGTH(classes); c++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(bytes_release) struct bytes pack = make_pack(store, classes[c], 3);
		AUTO(pack_footer_release) struct pack_footer footer = {0};
		assert_int_equal(pack.len, PACK_HEAD_SIZE + CHUNKS * (CHUNK + TAG_SIZE) +
						   (classes[c] == PACK_CHUNKS) * KEYSLOT_SIZE +
						   CHUNKS * PACK_ENTRY_SIZE + TAG_SIZE + PACK_TAIL_SIZE);
		if (!open_footer(store, classes[c], 3, bytes_span(&pack), &footer, &err))
			fail_msg("%s", err_message(err));
		assert_int_equal(footer.n_entries, CHUNKS);
		assert_int_equal(footer.n_keyslots, classes[c] == PACK_CHUNKS);
		for (size_t i = 0; i < CHUNKS; i++)
			assert_int_equal(footer.entries[i].offset, PACK_HEAD_SIZE + i * (CHUNK + TAG_SIZE));
	}
}

static void expect_damage(const struct store *store, uint32_t seq, struct span pack)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(pack_footer_release) struct pack_footer footer = {0};
	assert_false(open_footer(store, PACK_CHUNKS, seq, pack, &footer, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
}

static void every_flipped_bit_around_the_bodies_is_noticed(void **state)
{
	struct store *store = *state;
	AUTO(bytes_release) struct bytes pack = make_pack(store, PACK_CHUNKS, 3);
	size_t bodies_end = PACK_HEAD_SIZE + CHUNKS * (CHUNK + TAG_SIZE);
	for (size_t i = 0; i < pack.len; i++) {
		if (i == PACK_HEAD_SIZE)
			i = bodies_end;
		for (unsigned bit = 0; bit < 8; bit++) {
			pack.data[i] ^= (uint8_t)(1u << bit);
			expect_damage(store, 3, bytes_span(&pack));
			pack.data[i] ^= (uint8_t)(1u << bit);
		}
	}
	expect_damage(store, 4, bytes_span(&pack));
	for (size_t len = 0; len < pack.len; len++)
		expect_damage(store, 3, SPAN(pack.data, len));
	for (size_t cut = 1; cut < pack.len; cut += 13)
		expect_damage(store, 3, SPAN(pack.data + cut, pack.len - cut));
}

/* A pack of one class under a name of the other. */
static void classes_do_not_mix(void **state)
{
	struct store *store = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes pack = make_pack(store, PACK_META, 3);
	AUTO(pack_footer_release) struct pack_footer footer = {0};
	expect_damage(store, 3, bytes_span(&pack));
	pack.data[10] = 'p';
	expect_damage(store, 3, bytes_span(&pack));
}

struct parallel {
	struct pack_writer *pack;
	struct pack_place places[MANY];
	atomic_uint next;
};

static bool seal_some(void *arg, struct err **errp)
{
	struct parallel *parallel = arg;
	uint8_t plain[LARGE];
	for (uint32_t i; (i = atomic_fetch_add(&parallel->next, 1)) < MANY;) {
		make_chunk(i, plain, LARGE);
		if (!pack_writer_seal(parallel->pack, parallel->places[i], SPAN_OF(plain), errp))
			return false;
	}
	return true;
}

static void reserve_all(struct store *store, struct parallel *parallel)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t plain[LARGE];
	for (uint32_t i = 0; i < MANY; i++) {
		struct chunk_id id;
		make_chunk(i, plain, LARGE);
		assert_true(chunk_identify(store->keys, SPAN_OF(plain), &id, &err));
		assert_true(pack_writer_fits(parallel->pack, LARGE));
		parallel->places[i] = pack_writer_reserve(parallel->pack, &id, LARGE, CODEC_RAW, LARGE);
		assert_true(chunk_id_equal(pack_writer_id(parallel->pack, i), &id));
	}
}

/* The bytes do not depend on who sealed what first, except for what is random in a pack. */
static void many_threads_seal_at_once(void **state)
{
	struct store *store = *state;
	AUTO(err_freep) struct err *err = NULL;
	static struct parallel parallel;
	AUTO(pack_writer_freep)
	struct pack_writer *pack = pack_writer_new(store->repository, PACK_CHUNKS, &store->session, ++store->seq, &err);
	assert_non_null(pack);
	parallel.pack = pack;
	reserve_all(store, &parallel);
	struct pool *pool = pool_start("seal", THREADS, seal_some, NULL, &parallel, &err);
	assert_true(pool && pool_join(pool, &err));
	struct span bytes;
	uint8_t hash[HASH_SIZE];
	char name[OBJECT_NAME_SIZE];
	assert_true(pack_writer_finish(pack, &bytes, hash, &err));
	object_name_pack(PACK_CHUNKS, &store->session, store->seq, name);
	assert_true(backend_put_once(repository_backend(store->repository), name, bytes, &err));
	for (uint32_t i = 0; i < MANY; i++) {
		static uint8_t plain[LARGE], wanted[LARGE];
		make_chunk(i, wanted, LARGE);
		struct chunk_ref ref = {.id = *pack_writer_id(pack, i), .plain_len = LARGE, .plain = plain};
		ref.at = (struct locator){.session = store->session, .seq = store->seq, .entry = (uint16_t)i};
		if (!pack_reader_chunks(store->packs, &ref, 1, &err))
			fail_msg("%s", err_message(err));
		assert_memory_equal(plain, wanted, LARGE);
	}
}

static void a_pack_is_full_at_its_targets(void **state)
{
	struct store *store = *state;
	AUTO(err_freep) struct err *err = NULL;
	const struct chunk_id id = {{1}};
	AUTO(pack_writer_freep)
	struct pack_writer *large = pack_writer_new(store->repository, PACK_CHUNKS, &store->session, 1, &err);
	AUTO(pack_writer_freep)
	struct pack_writer *many = pack_writer_new(store->repository, PACK_META, &store->session, 2, &err);
	assert_true(large && many && pack_writer_fits(large, CHUNK_MAX));
	while (pack_writer_fits(large, LARGE))
		pack_writer_reserve(large, &id, LARGE, CODEC_RAW, LARGE);
	assert_int_equal(pack_writer_entries(large), (PACK_TARGET_SIZE - PACK_HEAD_SIZE) / (LARGE + TAG_SIZE));
	while (pack_writer_fits(many, 1))
		pack_writer_reserve(many, &id, 1, CODEC_RAW, 1);
	assert_int_equal(pack_writer_entries(many), PACK_TARGET_ENTRIES);
	struct span bytes;
	uint8_t hash[HASH_SIZE];
	assert_true(pack_writer_finish(many, &bytes, hash, &err) && pack_writer_finish(large, &bytes, hash, &err));
	assert_in_range(bytes.len, PACK_TARGET_SIZE - LARGE, PACK_TARGET_SIZE + (1 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(footers_say_what_was_put),
		cmocka_unit_test(every_flipped_bit_around_the_bodies_is_noticed),
		cmocka_unit_test(classes_do_not_mix),
		cmocka_unit_test(many_threads_seal_at_once),
		cmocka_unit_test(a_pack_is_full_at_its_targets),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
