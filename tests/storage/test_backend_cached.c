/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a far repository: that it saves requests, that it stays small, and that nothing depends on it. */
#include "storage/backend_cached.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/pool.h"
#include "storage/cache_file.h"
#include "storage/stream_read.h"
#include "tests/storage/far.h"
#include "tests/storage/store.h"
#include "tests/unit.h"

enum { EXPONENT = 12, CHUNK = 1 << EXPONENT, CHUNKS = 1500, THREADS = 8 };
#define SIZE ((size_t)(CHUNKS * CHUNK))
#define CACHE "cache/objects"

/* A stream in the store's repository, and another look at that repository from far away. */
struct view {
	const uint8_t *material; /* the store's */
	uint8_t *plain;
	struct stream stream;
	struct far *far; /* owned by the repository */
	struct repository *repository;
	struct pack_reader *packs;
	struct tree_reader *tree;
};

static void look_again(struct view *view, struct backend_cache_options cache)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct repository_options options = {
		.url = "repository", .key = {.material = view->material}, .cache = cache};
	pack_reader_free(view->packs);
	tree_reader_free(view->tree);
	repository_free(view->repository);
	view->far = far_new(backend_local_open("repository", false, &err), 0);
	view->repository = repository_open_backend(&view->far->backend, &options, &err);
	if (!view->repository)
		fail_msg("%s", err_message(err));
	view->packs = pack_reader_new(view->repository, 1 << 20, &err);
	assert_non_null(view->packs);
	view->tree = tree_reader_new(view->packs, &view->stream.shape, &view->stream.top, &err);
	assert_non_null(view->tree);
	far_forget(view->far);
}

static const struct backend_cache_options usual = {
	.folder = CACHE, .max_bytes = BACKEND_CACHE_BYTES, .extent = CACHE_CONTENTS};

static void view_init(struct view *view, struct store *store)
{
	*view = (struct view){.material = repository_material(store->repository), .plain = malloc(SIZE)};
	assert_non_null(view->plain);
	for (size_t i = 0; i < SIZE; i++)
		view->plain[i] = (uint8_t)((i / 7 * 2654435761u) >> 11 | 1);
	store_stream(store, view->plain, SIZE, EXPONENT, &view->stream);
	look_again(view, usual);
}

static void view_release(struct view *view)
{
	pack_reader_free(view->packs);
	tree_reader_free(view->tree);
	repository_free(view->repository);
	free(view->plain);
}

static bool read_chunk(const struct view *view, uint64_t index, struct err **errp)
{
	uint8_t data[CHUNK];
	struct tree_ref at;
	if (!tree_find(view->tree, index, &at, errp))
		return false;
	struct chunk_ref ref = {.id = at.id, .at = at.at, .plain_len = CHUNK, .plain = data};
	if (!pack_reader_chunks(view->packs, &ref, 1, errp))
		return false;
	return memcmp(data, view->plain + index * CHUNK, CHUNK) == 0 || err_set(errp, ERR_FAILED, "other bytes");
}

static void read_all(const struct view *view)
{
	AUTO(err_freep) struct err *err = NULL;
	for (uint64_t i = 0; i < CHUNKS; i += 3)
		if (!read_chunk(view, i, &err))
			fail_msg("chunk %llu: %s", (unsigned long long)i, err_message(err));
}

typedef void file_function(const char *path);

static size_t each_file(file_function *function)
{
	DIR *stream = opendir(CACHE);
	size_t n = 0;
	if (!stream)
		return 0;
	for (struct dirent *entry; (entry = readdir(stream));) {
		AUTO(freep) char *path = file_join(CACHE, entry->d_name);
		assert_non_null(path);
		if (entry->d_name[0] == '.')
			continue;
		n++;
		function(path);
	}
	closedir(stream);
	return n;
}

static void remove_file(const char *path)
{
	assert_int_equal(remove(path), 0);
}

static void nothing_is_fetched_twice(void **state)
{
	struct view view;
	view_init(&view, *state);
	read_all(&view);
	assert_true(view.far->requests > 0);
	look_again(&view, usual);
	read_all(&view);
	assert_int_equal(view.far->requests, 0);
	assert_true(each_file(remove_file) > 0);
	read_all(&view); /* it may go at any time */
	view_release(&view);
}

static void nodes_come_many_at_once(void **state)
{
	struct view view;
	view_init(&view, *state);
	AUTO(err_freep) struct err *err = NULL;
	struct tree_ref at;
	for (uint64_t i = 0; i < CHUNKS; i += 100)
		assert_true(tree_find(view.tree, i, &at, &err));
	assert_true(view.far->requests <= 3); /* the end, the head, and a window or none */
	view_release(&view);
}

static void chunks_are_kept_on_demand(void **state)
{
	struct view view;
	struct backend_cache_options trees = usual;
	each_file(remove_file);
	view_init(&view, *state);
	trees.extent = CACHE_TREES;
	look_again(&view, trees);
	read_all(&view);
	look_again(&view, trees);
	read_all(&view);
	assert_true(view.far->requests >= CHUNKS / 3);
	assert_true(view.far->bytes < 2 * SIZE / 3);
	view_release(&view);
}

static void flip_bits(const char *path)
{
	struct stat there = {0};
	uint8_t byte;
	AUTO(file_closep) int fd = open(path, O_RDWR);
	assert_true(fd >= 0 && fstat(fd, &there) == 0);
	for (off_t at = 7; at < there.st_size; at += 509) {
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x40;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	}
}

/* The map says that all is there, and all is zeros: as a power cut may leave it. */
static void lose_contents(const char *path)
{
	struct cache_file file;
	assert_true(cache_file_open(path, NULL, &file));
	AUTO(freep) uint8_t *zeros = calloc(1, (size_t)file.size + 1);
	assert_non_null(zeros);
	assert_true(cache_file_write(&file, 0, SPAN(zeros, (size_t)file.size)));
	cache_file_close(&file);
}

static void truncate_file(const char *path)
{
	assert_int_equal(truncate(path, 5000), 0);
}

static void empty_file(const char *path)
{
	assert_int_equal(truncate(path, 0), 0);
}

static void put_folder(const char *path)
{
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void put_link(const char *path)
{
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
}

static void nothing_in_it_is_believed(void **state)
{
	static file_function *const damages[] = {flip_bits,  lose_contents, truncate_file,
						 empty_file, put_folder,    put_link};
	struct view view;
	view_init(&view, *state);
	for (size_t i = 0; i < ARRAY_LENGTH(damages); i++) {
		each_file(remove_file);
		look_again(&view, usual);
		read_all(&view);
		look_again(&view, usual);
		assert_true(each_file(damages[i]) > 0);
		read_all(&view);
		look_again(&view, usual);
		read_all(&view);
	}
	each_file(remove_file);
	view_release(&view);
}

static void fill_and_read(struct backend *cached, unsigned from, unsigned to)
{
	enum { OBJECT = 20000 };
	static uint8_t body[OBJECT];
	AUTO(err_freep) struct err *err = NULL;
	for (unsigned i = from; i < to; i++) {
		char name[32];
		AUTO(bytes_release) struct bytes object = {0};
		snprintf(name, sizeof(name), "c/%08x", i);
		assert_true(backend_put_once(cached, name, SPAN_OF(body), &err));
		assert_true(backend_get(cached, name, OBJECT, &object, &err));
	}
}

/* Gives what it occupies; and all of it is of an hour ago then, as a file's time is only that of the last tick. */
static uint64_t age_all(const char *folder)
{
	const struct timespec hour_ago[2] = {{.tv_sec = time(NULL) - 3600}, {.tv_sec = time(NULL) - 3600}};
	uint64_t used = 0;
	struct stat there;
	DIR *stream = opendir(folder);
	assert_non_null(stream);
	for (struct dirent *entry; (entry = readdir(stream));) {
		if (fstatat(dirfd(stream), entry->d_name, &there, 0) != 0 || !S_ISREG(there.st_mode))
			continue;
		used += (uint64_t)there.st_blocks * 512;
		assert_int_equal(utimensat(dirfd(stream), entry->d_name, hour_ago, 0), 0);
	}
	closedir(stream);
	return used;
}

static void it_stays_within_its_bound(void **state)
{
	enum { OBJECTS = 300, BOUND = 1 << 20 };
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	const uint8_t store[STORE_SIZE] = {1};
	const struct backend_cache_options options = {.folder = "bounded", .max_bytes = BOUND};
	struct far *far = far_new(backend_memory_new(&err), 0);
	struct backend *cached = backend_cached_new(&far->backend, store, &options, &err);
	assert_non_null(cached);
	fill_and_read(cached, 0, OBJECTS);
	uint64_t used = age_all("bounded");
	assert_true(used > BOUND / 2 && used <= BOUND);
	fill_and_read(cached, OBJECTS, OBJECTS + 10);
	far_forget(far);
	AUTO(bytes_release) struct bytes newer = {0};
	assert_true(backend_get(cached, "c/0000012c", 20000, &newer, &err));
	assert_int_equal(far->requests, 0);
	backend_free(cached);
}

struct crowd {
	struct backend *backend;
	atomic_uint next;
};

static bool get_some(void *arg, struct err **errp)
{
	struct crowd *crowd = arg;
	for (unsigned i; (i = atomic_fetch_add(&crowd->next, 1)) < 64;) {
		char name[OBJECT_NAME_SIZE];
		AUTO(bytes_release) struct bytes object = {0};
		snprintf(name, sizeof(name), "c/00112233445566770000000000000%03x", i);
		if (!backend_get(crowd->backend, name, 16, &object, errp))
			return false;
	}
	return true;
}

/* Names differ little from each other, and are asked for at once. */
static void many_are_in_flight(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	const uint8_t store[STORE_SIZE] = {2};
	const struct backend_cache_options options = {.folder = CACHE, .max_bytes = BACKEND_CACHE_BYTES};
	struct far *far = far_new(backend_memory_new(&err), 0);
	struct backend *cached = backend_cached_new(&far->backend, store, &options, &err);
	assert_non_null(cached);
	for (unsigned i = 0; i < 64; i++) {
		char name[OBJECT_NAME_SIZE];
		snprintf(name, sizeof(name), "c/00112233445566770000000000000%03x", i);
		assert_true(backend_put_once(cached, name, SPAN_TEXT("x"), &err));
	}
	struct crowd crowd = {.backend = cached};
	far->delay_ms = 20;
	assert_int_equal(backend_threads(cached), 32);
	assert_true(pool_join(pool_start("crowd", backend_threads(cached), get_some, NULL, &crowd, &err), &err));
	assert_true(far->most > 8);
	backend_free(cached);
}

static void a_disk_that_takes_nothing(void **state)
{
	struct view view;
	struct backend_cache_options nowhere = usual;
	view_init(&view, *state);
	nowhere.folder = "repository/config/objects";
	look_again(&view, nowhere);
	read_all(&view);
	view_release(&view);
}

static bool read_in_thread(void *arg, struct err **errp)
{
	for (uint64_t i = 0; i < CHUNKS; i += 7)
		if (!read_chunk(arg, i, errp))
			return false;
	return true;
}

static bool delete_in_thread(void *arg, struct err **errp)
{
	(void)errp;
	atomic_bool *over = arg;
	for (unsigned i = 0; !atomic_load(over); i++) {
		DIR *stream = opendir(CACHE);
		for (struct dirent *entry; stream && (entry = readdir(stream));)
			if (entry->d_name[0] != '.')
				unlinkat(dirfd(stream), entry->d_name, 0);
		if (stream)
			closedir(stream);
		rmdir(CACHE);
	}
	return true;
}

static void it_may_be_deleted_under_many_readers(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	atomic_bool over = false;
	struct view view;
	view_init(&view, *state);
	struct pool *deleter = pool_start("deleter", 1, delete_in_thread, NULL, &over, &err);
	struct pool *readers = pool_start("readers", THREADS, read_in_thread, NULL, &view, &err);
	assert_true(deleter && readers);
	bool ok = pool_join(readers, &err);
	atomic_store(&over, true);
	if (!ok || !pool_join(deleter, &err))
		fail_msg("%s", err_message(err));
	view_release(&view);
}

/* Who is to see what the store has now is not served from before. */
static void fresh_is_what_the_store_has(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct store *store = *state;
	struct view view;
	view_init(&view, store);
	read_all(&view);
	char name[OBJECT_NAME_SIZE];
	struct tree_ref at;
	assert_true(tree_find(view.tree, 0, &at, &err));
	object_name_pack(PACK_CHUNKS, &at.at.session, at.at.seq, name);
	assert_true(backend_remove(repository_backend(store->repository), name, &err));
	look_again(&view, usual);
	assert_true(read_chunk(&view, 0, &err));
	struct backend_cache_options fresh = usual;
	fresh.fresh = true;
	look_again(&view, fresh);
	assert_false(read_chunk(&view, 0, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	view_release(&view);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_fetched_twice),    cmocka_unit_test(nodes_come_many_at_once),
		cmocka_unit_test(chunks_are_kept_on_demand),   cmocka_unit_test(nothing_in_it_is_believed),
		cmocka_unit_test(it_stays_within_its_bound),   cmocka_unit_test(many_are_in_flight),
		cmocka_unit_test(a_disk_that_takes_nothing),   cmocka_unit_test(it_may_be_deleted_under_many_readers),
		cmocka_unit_test(fresh_is_what_the_store_has),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
