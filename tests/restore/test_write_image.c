/* SPDX-License-Identifier: Apache-2.0 */
/* Streams become files again, whole or not at all. */
#include "restore/write_image.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "tests/storage/store.h"
#include "tests/unit.h"

#define CHUNK (1u << 16)
#define SIZE (200u * CHUNK + 4096u)

static uint8_t plain[SIZE];

/* Data, a hole, data that does not end with a chunk. */
static void make_disk(struct store *store, struct stream *ret)
{
	for (size_t i = 0; i < SIZE; i++)
		plain[i] = (i / CHUNK) % 5 == 2 ? 0 : (uint8_t)(i * 7 + i / 251);
	store_stream(store, plain, SIZE, 16, ret);
	ret->kind = STREAM_DISK;
	memcpy(ret->name, "vda", 4);
}

static size_t files_in(const char *folder)
{
	size_t n = 0;
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		n += *entry->d_name != '.';
	closedir(dir);
	return n;
}

static bool restore(struct store *store, struct stream *stream, const struct restore_options *options,
		    enum err_code *ret_code)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(restore_result_release) struct restore_result result = {0};
	const struct point point = {.streams = stream, .n_streams = 1};
	bool ok = restore_point(store->repository, &point, options, &result, &err);
	assert_int_equal(ok, err == NULL);
	*ret_code = err ? err_code(err) : 0;
	return ok;
}

static void assert_is_disk(const char *path)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bytes content;
	assert_true(file_read_all(path, SIZE + 1, &content, &err));
	assert_int_equal(content.len, SIZE);
	assert_memory_equal(content.data, plain, SIZE);
	bytes_release(&content);
}

static void a_disk_comes_back_with_its_holes(void **state)
{
	struct stream stream;
	struct stat there;
	struct progress progress = {0};
	enum err_code code;
	make_disk(*state, &stream);
	assert_true(restore(*state, &stream, &(struct restore_options){.to = "whole", .progress = &progress}, &code));
	assert_is_disk("whole/vda.raw");
	assert_int_equal(stat("whole/vda.raw", &there), 0);
	assert_int_equal(there.st_mode & 0777, 0600);
	assert_true((uint64_t)there.st_blocks * 512 <= SIZE - 39 * CHUNK);
	assert_int_equal(progress.done, progress.total);
	assert_int_equal(progress.total, SIZE - 40 * CHUNK);
}

static void an_existing_file_is_replaced_only_by_force(void **state)
{
	struct stream stream;
	enum err_code code;
	AUTO(err_freep) struct err *err = NULL;
	make_disk(*state, &stream);
	assert_true(file_make_folders("taken", 0700, &err));
	assert_true(file_replace("taken/vda.raw", SPAN_TEXT("mine"), 0600, &err));
	assert_false(restore(*state, &stream, &(struct restore_options){.to = "taken"}, &code));
	assert_int_equal(code, ERR_EXISTS);
	assert_int_equal(files_in("taken"), 1);
	assert_true(restore(*state, &stream, &(struct restore_options){.to = "taken", .force = true}, &code));
	assert_is_disk("taken/vda.raw");
	assert_int_equal(files_in("taken"), 1);
}

static void a_link_in_the_folder_is_not_followed(void **state)
{
	struct stream stream;
	struct stat there;
	enum err_code code;
	AUTO(err_freep) struct err *err = NULL;
	make_disk(*state, &stream);
	assert_true(file_make_folders("links", 0700, &err));
	assert_int_equal(symlink("nowhere", "links/vda.raw"), 0);
	assert_false(restore(*state, &stream, &(struct restore_options){.to = "links"}, &code));
	assert_int_equal(code, ERR_EXISTS);
	assert_int_equal(unlink("links/vda.raw"), 0);
	assert_int_equal(symlink("/dev/loop0", "links/vda.raw"), 0);
	assert_true(restore(*state, &stream, &(struct restore_options){.to = "links", .force = true}, &code));
	assert_int_equal(lstat("links/vda.raw", &there), 0);
	assert_true(S_ISREG(there.st_mode));
}

static void a_cancelled_restore_leaves_nothing(void **state)
{
	struct stream stream;
	struct cancel cancel = {true};
	enum err_code code;
	make_disk(*state, &stream);
	assert_false(restore(*state, &stream, &(struct restore_options){.to = "cancelled", .cancel = &cancel}, &code));
	assert_int_equal(code, ERR_CANCELLED);
	assert_int_equal(files_in("cancelled"), 0);
}

static void damage_leaves_nothing_and_is_told(void **state)
{
	struct stream stream;
	enum err_code code;
	make_disk(*state, &stream);
	stream.top.id.b[0] ^= 1;
	assert_false(restore(*state, &stream, &(struct restore_options){.to = "damaged"}, &code));
	assert_int_equal(code, ERR_CORRUPT);
	assert_int_equal(files_in("damaged"), 0);
}

static void a_name_never_leaves_the_folder(void **state)
{
	static const char *const names[] = {"../vda", "a/b", ".hidden", "", "-x"};
	struct stream stream;
	enum err_code code;
	make_disk(*state, &stream);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		memcpy(stream.name, names[i], strlen(names[i]) + 1);
		assert_false(restore(*state, &stream, &(struct restore_options){.to = "names"}, &code));
		assert_int_equal(code, ERR_CORRUPT);
	}
	assert_int_equal(files_in("names"), 0);
}

static void a_disk_that_is_not_there_is_named(void **state)
{
	struct stream stream;
	enum err_code code;
	const struct restore_target target = {.disk = "vdb", .path = "image"};
	make_disk(*state, &stream);
	assert_false(restore(*state, &stream, &(struct restore_options){.targets = &target, .n_targets = 1}, &code));
	assert_int_equal(code, ERR_NOT_FOUND);
	assert_int_not_equal(access("image", F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_comes_back_with_its_holes),
		cmocka_unit_test(an_existing_file_is_replaced_only_by_force),
		cmocka_unit_test(a_link_in_the_folder_is_not_followed),
		cmocka_unit_test(a_cancelled_restore_leaves_nothing),
		cmocka_unit_test(damage_leaves_nothing_and_is_told),
		cmocka_unit_test(a_name_never_leaves_the_folder),
		cmocka_unit_test(a_disk_that_is_not_there_is_named),
	};
	return cmocka_run_group_tests(tests, store_setup, store_teardown);
}
