/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/pool.h"
#include "tests/error.h"
#include "tests/folder.h"

static int enter_folder_with_tmp(void **state)
{
	return folder_enter(state) == 0 ? mkdir("tmp", 0700) : -1;
}

static size_t count_names(const char *folder)
{
	DIR *dir = opendir(folder);
	assert_non_null(dir);
	size_t count = 0;
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static void assert_contents(const char *path, const char *expected)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes body = {0};
	if (!file_read_all(path, 1 << 20, &body, &err))
		fail_msg("%s", err_message(err));
	assert_int_equal(body.len, strlen(expected));
	assert_memory_equal(body.data, expected, body.len);
}

static bool create(const char *name, const char *text, struct err **errp)
{
	return file_create_once(".", name, "tmp", SPAN(text, strlen(text)), 0640, errp);
}

static void created_once_and_only_once(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_true(create("object", "body", &err));
	assert_contents("object", "body");
	struct stat st;
	assert_int_equal(stat("object", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_true(create("object", "body", &err)); /* the same bytes are ours */
	assert_false(create("object", "other", &err));
	assert_int_equal(err_code(err), ERR_EXISTS);
	err_clear(&err);
	assert_false(create("object", "bodies", &err)); /* longer, with the same beginning */
	assert_int_equal(err_code(err), ERR_EXISTS);
	assert_contents("object", "body");
	assert_int_equal(count_names("tmp"), 0);
}

static void an_empty_body_is_a_body(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_true(create("empty", "", &err));
	assert_true(create("empty", "", &err));
	assert_false(create("empty", "x", &err));
	assert_contents("empty", "");
}

static void a_failed_creation_leaves_nothing(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_false(create("missing/object", "body", &err));
	assert_error(&err, ERR_NOT_FOUND, "missing/object");
	assert_int_equal(count_names("tmp"), 0);
	err_clear(&err);
	assert_false(file_create_once(".", "object", "no-tmp", SPAN_TEXT("body"), 0600, &err));
	assert_non_null(strstr(err_message(err), "no-tmp"));
	assert_int_equal(access("object", F_OK), -1);
}

static bool race(void *arg, struct err **errp)
{
	unsigned *wins = arg;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *body = file_format("thread %d", gettid());
	if (create("prize", body, &err))
		__atomic_fetch_add(wins, 1, __ATOMIC_RELAXED);
	else if (err_code(err) != ERR_EXISTS)
		return err_move(errp, &err);
	return true;
}

static void one_wins_a_race(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	unsigned wins = 0;
	assert_true(pool_join(pool_start("race", 8, race, NULL, &wins, &err), &err));
	assert_int_equal(wins, 1);
	assert_int_equal(count_names("tmp"), 0);
}

static void replacing_is_whole(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_true(file_replace("state", SPAN_TEXT("first, and longer"), 0600, &err));
	assert_true(file_replace("state", SPAN_TEXT("second"), 0600, &err));
	assert_contents("state", "second");
	assert_int_equal(mkdir("folder", 0700), 0);
	assert_false(file_replace("folder", SPAN_TEXT("x"), 0600, &err));
	assert_int_equal(count_names("."), 3); /* tmp, state, folder: no temporary file */
}

/* A disk of 64 KiB that is mounted nowhere, and gone with its descriptor; -1 where the system does not give one. */
static int open_small_disk(void)
{
	AUTO(file_closep) int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "size", "64k", 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return fsmount(context, FSMOUNT_CLOEXEC, 0);
}

static void a_full_disk_is_said_and_nothing_left(void **state)
{
	(void)state;
	AUTO(file_closep) int disk = open_small_disk();
	if (disk < 0) {
		print_message("skipped: a small disk cannot be made here: %s\n", strerror(errno));
		skip();
	}
	static char body[128 << 10];
	memset(body, 'x', sizeof(body));
	AUTO(freep) char *folder = file_format("/proc/self/fd/%d", disk);
	AUTO(freep) char *object = file_join(folder, "object");
	AUTO(err_freep) struct err *err = NULL;
	assert_false(file_create_once(folder, "object", folder, SPAN_OF(body), 0600, &err));
	assert_int_equal(err_code(err), ERR_NO_SPACE);
	assert_non_null(strstr(err_message(err), object));
	assert_int_equal(count_names(folder), 0);
	err_clear(&err);
	assert_true(file_create_once(folder, "object", folder, SPAN_TEXT("first"), 0600, &err));
	assert_false(file_replace(object, SPAN_OF(body), 0600, &err));
	assert_int_equal(err_code(err), ERR_NO_SPACE);
	assert_int_equal(count_names(folder), 1);
	assert_contents(object, "first");
}

static void reading_has_a_limit(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes body = {0};
	assert_true(create("ten", "0123456789", &err));
	assert_true(file_read_all("ten", 10, &body, &err));
	assert_int_equal(body.len, 10);
	bytes_release(&body);
	assert_false(file_read_all("ten", 9, &body, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	assert_null(body.data);
	err_clear(&err);
	assert_true(file_read_all("/proc/self/status", 1 << 20, &body, &err)); /* says its size is 0 */
	assert_true(body.len > 0);
}

static void only_regular_files_are_read(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes body = {0};
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_false(file_read_all("fifo", 10, &body, &err));
	assert_string_equal(err_message(err), "fifo: not a regular file");
	err_clear(&err);
	assert_false(file_read_all("nothing", 10, &body, &err));
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
}

static void reading_at_a_place_is_all_or_nothing(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(file_closep) int fd = open("disk", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char back[4];
	assert_true(file_write_at(fd, "abcd", 4, 100, "disk", &err));
	assert_true(file_read_at(fd, back, 4, 100, "disk", &err));
	assert_memory_equal(back, "abcd", 4);
	assert_false(file_read_at(fd, back, 4, 102, "disk", &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	err_clear(&err);
	assert_false(file_read_at(fd, back, 4, UINT64_MAX - 1, "disk", &err));
	err_clear(&err);
	assert_false(file_write_at(fd, back, 4, INT64_MAX, "disk", &err));
}

/* Also where the test's file system does not offer direct writes: then everything takes the other way. */
static void past_the_cache_the_same_bytes_arrive(void **state)
{
	(void)state;
	enum { SIZE = 3 << 20, PAGE = 4096, ODD = 100 };
	static const struct {
		size_t skipped, len;
		uint64_t offset;
	} cases[] = {{0, SIZE, 0}, {0, SIZE - ODD, PAGE}, {1, SIZE - 1, 0}, {0, SIZE, ODD}, {0, PAGE, PAGE}, {0, 0, 0}};
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *data = aligned_alloc(PAGE, SIZE);
	AUTO(freep) uint8_t *back = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(i * 31 >> 5);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		AUTO(file_closep) int fd = open("disk", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		AUTO(file_closep) int direct = file_open_direct(fd);
		const uint8_t *from = data + cases[i].skipped;
		assert_true(file_write_past_cache(fd, direct, from, cases[i].len, cases[i].offset, "disk", &err));
		assert_true(file_read_at(fd, back, cases[i].len, cases[i].offset, "disk", &err));
		assert_memory_equal(back, from, cases[i].len);
		assert_int_equal(lseek(fd, 0, SEEK_END), cases[i].len ? cases[i].offset + cases[i].len : 0);
	}
}

static void what_goes_past_the_page_cache_goes_to_the_same_file(void **state)
{
	(void)state;
	struct stat mine, opened;
	AUTO(file_closep) int fd = open("disk", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(rename("disk", "elsewhere"), 0);
	AUTO(file_closep) int other = open("disk", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(other >= 0);
	AUTO(file_closep) int direct = file_open_direct(fd);
	if (direct < 0)
		skip();
	assert_int_equal(fstat(fd, &mine), 0);
	assert_int_equal(fstat(direct, &opened), 0);
	assert_int_equal(opened.st_ino, mine.st_ino);
}

static void folders_are_made_down_to_the_last(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *path = file_join(*state, "a//b/c/");
	assert_true(file_make_folders(path, 0700, &err));
	assert_true(file_make_folders("a/b/c", 0700, &err));
	assert_true(file_make_folders("single", 0700, &err));
	assert_true(file_make_folders("/", 0700, &err));
	struct stat st;
	assert_int_equal(stat("a/b/c", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(create("file", "x", &err));
	assert_false(file_make_folders("file/below", 0700, &err));
	assert_non_null(strstr(err_message(err), "Not a directory"));
}

static void a_lock_has_one_holder(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(file_closep) int first = -1;
	AUTO(file_closep) int second = -1;
	assert_true(file_lock("lock", &first, &err));
	assert_false(file_lock("lock", &second, &err));
	assert_int_equal(err_code(err), ERR_BUSY);
	err_clear(&err);
	file_closep(&first);
	assert_true(file_lock("lock", &second, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(created_once_and_only_once, enter_folder_with_tmp, folder_leave),
		cmocka_unit_test_setup_teardown(an_empty_body_is_a_body, enter_folder_with_tmp, folder_leave),
		cmocka_unit_test_setup_teardown(a_failed_creation_leaves_nothing, enter_folder_with_tmp, folder_leave),
		cmocka_unit_test_setup_teardown(one_wins_a_race, enter_folder_with_tmp, folder_leave),
		cmocka_unit_test_setup_teardown(replacing_is_whole, enter_folder_with_tmp, folder_leave),
		cmocka_unit_test_setup_teardown(a_full_disk_is_said_and_nothing_left, enter_folder_with_tmp,
						folder_leave),
		cmocka_unit_test_setup_teardown(reading_has_a_limit, enter_folder_with_tmp, folder_leave),
		cmocka_unit_test_setup_teardown(only_regular_files_are_read, enter_folder_with_tmp, folder_leave),
		cmocka_unit_test_setup_teardown(reading_at_a_place_is_all_or_nothing, enter_folder_with_tmp,
						folder_leave),
		cmocka_unit_test_setup_teardown(past_the_cache_the_same_bytes_arrive, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(past_the_cache_the_same_bytes_arrive, enter_folder_with_tmp,
						folder_leave),
		cmocka_unit_test_setup_teardown(what_goes_past_the_page_cache_goes_to_the_same_file, folder_enter,
						folder_leave),
		cmocka_unit_test_setup_teardown(folders_are_made_down_to_the_last, enter_folder_with_tmp, folder_leave),
		cmocka_unit_test_setup_teardown(a_lock_has_one_holder, enter_folder_with_tmp, folder_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
