/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/stream_read.h"

#include <stdatomic.h>
#include <string.h>

#include "base/err.h"
#include "base/pool.h"
#include "tests/storage/store.h"
#include "tests/unit.h"

enum { EXPONENT = 12, CHUNK = 1 << EXPONENT, THREADS = 4 };
#define SIZE ((size_t)(1500 * CHUNK + 1234))

/* Runs of data and of holes, and a short last chunk. */
static uint8_t *make_plain(void)
{
	uint8_t *plain = calloc(1, SIZE);
	assert_non_null(plain);
	for (size_t i = 0; i < SIZE; i++)
		if ((i / CHUNK / 37) % 3 != 1)
			plain[i] = (uint8_t)((i / 11 * 2654435761u) >> 9 | 1);
	return plain;
}

struct disk {
	uint8_t *plain;
	struct stream stream;
	struct stream_reader *reader;
	atomic_uint seed;
};

static void open_disk(struct store *store, struct disk *disk, size_t cache_bytes, unsigned read_ahead)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct stream_reader_options options = {.cache_bytes = cache_bytes, .read_ahead = read_ahead};
	disk->plain = make_plain();
	store_stream(store, disk->plain, SIZE, EXPONENT, &disk->stream);
	disk->reader = stream_reader_new(store->packs, &disk->stream, &options, &err);
	assert_non_null(disk->reader);
}

static void close_disk(struct disk *disk)
{
	stream_reader_free(disk->reader);
	free(disk->plain);
}

static bool read_and_compare(const struct disk *disk, uint64_t offset, size_t len, struct err **errp)
{
	AUTO(freep) uint8_t *data = malloc(len + 1);
	if (!data)
		return err_set_no_memory(errp);
	memset(data, 0xee, len + 1);
	if (!stream_reader_read(disk->reader, offset, data, len, errp))
		return false;
	if (memcmp(data, disk->plain + offset, len) != 0 || data[len] != 0xee)
		return err_set(errp, ERR_FAILED, "other bytes at %llu, %zu", (unsigned long long)offset, len);
	return true;
}

static void expect_read(const struct disk *disk, uint64_t offset, size_t len)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!read_and_compare(disk, offset, len, &err))
		fail_msg("%s", err_message(err));
}

static void any_range_can_be_read(void **state)
{
	struct disk disk = {0};
	open_disk(*state, &disk, 0, 0);
	expect_read(&disk, 0, 0);
	expect_read(&disk, SIZE, 0);
	expect_read(&disk, 0, 1);
	expect_read(&disk, SIZE - 1, 1);
	expect_read(&disk, CHUNK - 1, 2);
	expect_read(&disk, 0, SIZE);
	for (size_t i = 1; i < 400; i++)
		expect_read(&disk, i * 15013 % (SIZE - 50000), i * 7919 % 50000);
	close_disk(&disk);
}

static void sequential_reads_with_read_ahead(void **state)
{
	struct disk disk = {0};
	open_disk(*state, &disk, 1 << 20, 2);
	for (size_t step = 1000; step < SIZE; step *= 7)
		for (size_t at = 0; at < SIZE; at += step)
			expect_read(&disk, at, SIZE - at < step ? SIZE - at : step);
	close_disk(&disk);
}

static bool read_randomly(void *arg, struct err **errp)
{
	struct disk *disk = arg;
	uint32_t random = atomic_fetch_add(&disk->seed, 1) * 7919 + 1;
	for (unsigned i = 0; i < 300; i++) {
		random = random * 1664525u + 1013904223u;
		uint64_t offset = random % SIZE;
		size_t len = (random >> 8) % (i % 10 == 0 ? 900000 : 9000);
		if (!read_and_compare(disk, offset, SIZE - offset < len ? (size_t)(SIZE - offset) : len, errp))
			return false;
	}
	return true;
}

/* With the least cache, so that slots are always short. */
static void many_threads_read_at_once(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct disk disk = {0};
	open_disk(*state, &disk, 0, 2);
	struct pool *pool = pool_start("read", THREADS, read_randomly, NULL, &disk, &err);
	if (!pool || !pool_join(pool, &err))
		fail_msg("%s", err_message(err));
	close_disk(&disk);
}

static void whole_small_streams(void **state)
{
	static const uint64_t sizes[] = {0, 1, CHUNK, CHUNK + 1, 200 * CHUNK + 7};
	struct store *store = *state;
	AUTO(freep) uint8_t *plain = make_plain();
	for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(bytes_release) struct bytes out = {0};
		struct stream stream;
		store_stream(store, plain, sizes[i], EXPONENT, &stream);
		assert_int_equal(chunk_id_is_zero(&stream.top.id), sizes[i] == 0);
		assert_true(stream_read_all(store->packs, &stream, sizes[i], &out, &err));
		assert_int_equal(out.len, sizes[i]);
		assert_true(sizes[i] == 0 || memcmp(out.data, plain, out.len) == 0);
		if (sizes[i] == 0)
			continue;
		AUTO(bytes_release) struct bytes none = {0};
		assert_false(stream_read_all(store->packs, &stream, sizes[i] - 1, &none, &err));
		assert_int_equal(err_code(err), ERR_CORRUPT);
	}
}

/* Flips one byte of the body of a chunk. */
static void damage_chunk(struct store *store, const struct locator *at)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes pack = {0};
	AUTO(pack_footer_release) struct pack_footer footer = {0};
	struct backend *backend = repository_backend(store->repository);
	char name[OBJECT_NAME_SIZE];
	object_name_pack(PACK_CHUNKS, &at->session, at->seq, name);
	assert_true(pack_footer_fetch(store->repository, PACK_CHUNKS, &at->session, at->seq, &footer, &err));
	assert_true(backend_get(backend, name, PACK_MAX_SIZE, &pack, &err));
	pack.data[footer.entries[at->entry].offset] ^= 4;
	assert_true(backend_put(backend, name, bytes_span(&pack), &err));
}

static bool read_damaged(void *arg, struct err **errp)
{
	struct disk *disk = arg;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *data = malloc(SIZE);
	if (!data)
		return err_set_no_memory(errp);
	if (stream_reader_read(disk->reader, 0, data, SIZE, &err))
		return err_set(errp, ERR_FAILED, "damage was read as if it were whole");
	return err_code(err) == ERR_CORRUPT || err_set(errp, ERR_FAILED, "%s", err_message(err));
}

/* Many threads wait for one chunk that cannot be fetched: each gets its own error, none waits for ever. */
static void damage_reaches_every_reader(void **state)
{
	struct store *store = *state;
	AUTO(err_freep) struct err *err = NULL;
	struct disk disk = {0};
	open_disk(store, &disk, 0, 2);
	struct tree_ref chunk;
	assert_true(tree_find(stream_reader_tree(disk.reader), 900, &chunk, &err) && !chunk_id_is_zero(&chunk.id));
	damage_chunk(store, &chunk.at);
	struct pool *pool = pool_start("read", THREADS, read_damaged, NULL, &disk, &err);
	if (!pool || !pool_join(pool, &err))
		fail_msg("%s", err_message(err));
	expect_read(&disk, 0, 800 * CHUNK); /* the rest is still there */
	close_disk(&disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_range_can_be_read),       cmocka_unit_test(sequential_reads_with_read_ahead),
		cmocka_unit_test(many_threads_read_at_once),   cmocka_unit_test(whole_small_streams),
		cmocka_unit_test(damage_reaches_every_reader),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
