/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "storage/index_memtable.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

#define PACKS 90u
#define ENTRIES 8000u

static struct chunk_id id_of(uint32_t pack, uint32_t entry)
{
	struct chunk_id id;
	uint8_t *bytes = runs_bytes((uint64_t)pack * ENTRIES + entry + 1, ID_SIZE + 64);

	memcpy(id.b, bytes + 64, ID_SIZE);
	free(bytes);
	return id;
}

static void add_pack(struct index *index, uint32_t seq)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(pack_footer_release)
	struct pack_footer footer = {
		.session = {.writer = "somebody", .number = 1}, .seq = seq, .cls = PACK_CHUNKS, .n_entries = ENTRIES};

	footer.entries = calloc(ENTRIES, sizeof(*footer.entries));
	for (uint32_t i = 0; i < ENTRIES; i++)
		footer.entries[i].id = id_of(seq, i);
	if (!index_add(index, &footer, &err))
		fail_msg("%s", err_message(err));
}

static void must_find(struct index *index, uint32_t seq, uint32_t entry)
{
	struct chunk_id id = id_of(seq, entry);
	struct locator at;

	assert_true(index_find(index, PACK_CHUNKS, &id, NULL, &at));
	assert_int_equal(at.seq, seq);
	assert_int_equal(at.entry, entry);
	assert_false(index_find(index, PACK_META, &id, NULL, &at));
}

static size_t count_segments(struct runs *runs)
{
	char path[512];
	size_t n = 0;

	snprintf(path, sizeof(path), "%s/index", repository_state_path(runs->repository));
	DIR *folder = opendir(path);
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder));)
		n += strstr(entry->d_name, ".segment") != NULL;
	closedir(folder);
	return n;
}

/* More than a table holds, so that segments are written; small ones in between, so that they are merged. */
static void test_many_ids(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(index_freep) struct index *index = index_open(runs->repository, &err);
	struct chunk_id unknown = id_of(PACKS + 1, 0);
	struct locator at;

	for (uint32_t seq = 1; seq <= PACKS; seq++) {
		add_pack(index, seq);
		if (seq % 4 == 0)
			assert_true(index_flush(index, &err));
	}
	for (uint32_t seq = 1; seq <= PACKS; seq++)
		for (uint32_t entry = 0; entry < ENTRIES; entry += 499)
			must_find(index, seq, entry);
	assert_false(index_find(index, PACK_CHUNKS, &unknown, NULL, &at));
	assert_true(count_segments(runs) <= 9);
}

static void test_absent_packs_are_not_found(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(index_freep) struct index *index = index_open(runs->repository, &err);
	AUTO(pack_set_release) struct pack_set absent = {0};
	struct session_id session = {.writer = "somebody", .number = 1};
	struct chunk_id id = id_of(1, 5);
	struct locator at;

	add_pack(index, 1);
	add_pack(index, 2);
	assert_true(pack_set_add(&absent, &session, 1, &err));
	assert_false(index_find(index, PACK_CHUNKS, &id, &absent, &at));
	assert_true(index_flush(index, &err));
	assert_false(index_find(index, PACK_CHUNKS, &id, &absent, &at));
	must_find(index, 1, 5);
	assert_true(index_sync(index, &err)); /* there are no such objects in the repository */
	assert_false(index_find(index, PACK_CHUNKS, &id, NULL, &at));
	assert_false(index_has_pack(index, PACK_CHUNKS, &session, 1));
}

static bool known(struct runs *runs, const struct point *point)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(index_freep) struct index *index = index_open(runs->repository, &err);
	struct locator at;

	assert_true(index_sync(index, &err));
	return index_find(index, PACK_META, &point->streams[0].top.id, NULL, &at);
}

static void each_segment(struct runs *runs, void (*change)(const char *path))
{
	char folder_path[512], path[1024];

	snprintf(folder_path, sizeof(folder_path), "%s/index", repository_state_path(runs->repository));
	DIR *folder = opendir(folder_path);
	assert_non_null(folder);
	for (struct dirent *entry; (entry = readdir(folder));) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder_path, entry->d_name);
		change(path);
	}
	closedir(folder);
}

static void flip_start(const char *path)
{
	uint8_t byte;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0);
	if (pread(fd, &byte, 1, 130) == 1) {
		byte ^= 1;
		assert_int_equal(pwrite(fd, &byte, 1, 130), 1);
	}
	close(fd);
}

static void remove_file(const char *path)
{
	assert_int_equal(unlink(path), 0);
}

/* Whatever happens to the cache, it is made again from the repository. */
static void test_made_again(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(1, 1 << 20);
	AUTO(point_release) struct point point = {0};

	runs_back_up(runs, "web01", 1, plain, 1 << 20, &point);
	assert_true(known(runs, &point));
	each_segment(runs, flip_start);
	assert_true(known(runs, &point));
	each_segment(runs, remove_file);
	assert_true(known(runs, &point));
}

static void test_vanished_pack_is_not_believed(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *plain = runs_bytes(1, 1 << 20);
	AUTO(point_release) struct point point = {0};
	char name[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 1, plain, 1 << 20, &point);
	const struct locator *top = &point.streams[0].top.at;
	object_name_pack(PACK_META, &top->session, top->seq, name);
	assert_true(backend_remove(repository_backend(runs->repository), name, &err));
	assert_false(known(runs, &point));
}

static void test_two_processes(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(index_freep) struct index *one = index_open(runs->repository, &err);
	AUTO(index_freep) struct index *two = index_open(runs->repository, &err);

	for (uint32_t seq = 1; seq <= 20; seq++) {
		add_pack(seq % 2 ? one : two, seq);
		assert_true(index_flush(seq % 2 ? one : two, &err));
	}
	AUTO(index_freep) struct index *three = index_open(runs->repository, &err);
	for (uint32_t seq = 1; seq <= 20; seq++) {
		add_pack(three, seq); /* known already: it only counts as present now */
		must_find(three, seq, 7);
	}
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, runs_setup_local, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_many_ids),	  TEST(test_absent_packs_are_not_found),
		TEST(test_made_again),	  TEST(test_vanished_pack_is_not_believed),
		TEST(test_two_processes),
	};

	return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
