/* SPDX-License-Identifier: Apache-2.0 */
/* Fails each call by which base/file changes the disk, one after the other: what stands afterwards is whole, and no
 * more. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_io.h"
#include "tests/folder.h"
#include "tests/unit.h"

/* The linker puts __wrap_ in the place of the name, and keeps the original as __real_. */
ssize_t __wrap_file_io_pwrite(int fd, const void *data, size_t len, off_t offset);
int __wrap_file_io_fsync(int fd);
int __wrap_file_io_link(const char *from, const char *to);
int __wrap_file_io_rename(const char *from, const char *to);
int __wrap_file_io_mkdir(const char *path, mode_t mode);
ssize_t __real_file_io_pwrite(int fd, const void *data, size_t len, off_t offset);
int __real_file_io_fsync(int fd);
int __real_file_io_link(const char *from, const char *to);
int __real_file_io_rename(const char *from, const char *to);
int __real_file_io_mkdir(const char *path, mode_t mode);

static unsigned calls_until_fault; /* 0: none */
static bool without_links, short_writes;

static bool is_fault(void)
{
	if (calls_until_fault == 0 || --calls_until_fault > 0)
		return false;
	errno = EIO;
	return true;
}

ssize_t __wrap_file_io_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return is_fault() ? -1 : __real_file_io_pwrite(fd, data, short_writes ? 1 : len, offset);
}

int __wrap_file_io_fsync(int fd)
{
	return is_fault() ? -1 : __real_file_io_fsync(fd);
}

int __wrap_file_io_link(const char *from, const char *to)
{
	if (without_links) {
		errno = EPERM;
		return -1;
	}
	return is_fault() ? -1 : __real_file_io_link(from, to);
}

int __wrap_file_io_rename(const char *from, const char *to)
{
	return is_fault() ? -1 : __real_file_io_rename(from, to);
}

int __wrap_file_io_mkdir(const char *path, mode_t mode)
{
	return is_fault() ? -1 : __real_file_io_mkdir(path, mode);
}

static int setup(void **state)
{
	calls_until_fault = 0;
	without_links = short_writes = false;
	return folder_enter(state);
}

static size_t count_names(void)
{
	size_t count = 0;
	DIR *dir = opendir(".");
	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

static bool contains(const char *path, const char *expected)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes body = {0};
	return file_read_all(path, 100, &body, &err) && body.len == strlen(expected) &&
	       memcmp(body.data, expected, body.len) == 0;
}

static bool create(struct err **errp)
{
	return file_create_once(".", "object", ".", SPAN_TEXT("body"), 0600, errp);
}

static bool replace(struct err **errp)
{
	return file_replace("object", SPAN_TEXT("body"), 0600, errp);
}

static bool make(struct err **errp)
{
	return file_make_folders("a/b/c", 0700, errp);
}

/* Fails the nth call of `work`; false when it made fewer, and so succeeded. */
static bool fails_at(unsigned n, bool (*work)(struct err **errp))
{
	AUTO(err_freep) struct err *err = NULL;
	calls_until_fault = n;
	bool done = work(&err);
	calls_until_fault = 0;
	if (!done && !strstr(err_message(err), "Input/output error"))
		fail_msg("call %u: '%s' does not say why", n, err_message(err));
	return !done;
}

static void assert_works(bool (*work)(struct err **errp))
{
	AUTO(err_freep) struct err *err = NULL;
	if (!work(&err))
		fail_msg("%s", err_message(err));
}

static void creating_fails_whole_and_can_be_repeated(void **state)
{
	(void)state;
	unsigned n = 1;
	for (; fails_at(n, create); n++) {
		size_t names = count_names();
		assert_true(names == 0 || (names == 1 && contains("object", "body")));
		assert_works(create);
		assert_true(contains("object", "body"));
		assert_int_equal(unlink("object"), 0);
	}
	assert_int_equal(n, 5); /* write, sync, link, sync of the folder */
}

static void replacing_leaves_the_old_or_the_new(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	unsigned n = 1;
	do {
		assert_true(file_replace("object", SPAN_TEXT("old"), 0600, &err));
		if (!fails_at(n, replace))
			break;
		assert_true(contains("object", "old") || contains("object", "body"));
		assert_int_equal(count_names(), 1);
	} while (++n < 10);
	assert_int_equal(n, 5);
	assert_true(contains("object", "body"));
}

static void making_folders_can_be_repeated(void **state)
{
	(void)state;
	unsigned n = 1;
	while (fails_at(n, make)) {
		n++;
		assert_works(make);
		assert_int_equal(rmdir("a/b/c") | rmdir("a/b") | rmdir("a"), 0);
	}
	assert_int_equal(n, 7); /* three folders, each made and synced */
}

/* A page that is asked for past the page cache and refused there goes through it. */
static void what_fails_past_the_cache_goes_through_it(void **state)
{
	(void)state;
	enum { LEN = 2 << 20 };
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes back = {0};
	AUTO(freep) uint8_t *body = aligned_alloc(4096, LEN);
	AUTO(file_closep) int probe = open("probe", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	AUTO(file_closep) int direct = file_open_direct(probe);
	if (direct < 0)
		skip();
	memset(body, 'x', LEN);
	calls_until_fault = 1;
	assert_true(file_create_once(".", "object", ".", SPAN(body, LEN), 0600, &err));
	assert_int_equal(calls_until_fault, 0);
	assert_true(file_read_all("object", LEN, &back, &err));
	assert_int_equal(back.len, LEN);
	assert_memory_equal(back.data, body, LEN);
}

static void short_writes_go_on(void **state)
{
	(void)state;
	short_writes = true;
	assert_works(create);
	assert_true(contains("object", "body"));
}

static void without_links_it_is_still_created_once(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	without_links = true;
	assert_works(create);
	assert_works(create);
	assert_false(file_create_once(".", "object", ".", SPAN_TEXT("other"), 0600, &err));
	assert_int_equal(err_code(err), ERR_EXISTS);
	assert_true(contains("object", "body"));
	assert_int_equal(count_names(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(creating_fails_whole_and_can_be_repeated, setup, folder_leave),
		cmocka_unit_test_setup_teardown(replacing_leaves_the_old_or_the_new, setup, folder_leave),
		cmocka_unit_test_setup_teardown(making_folders_can_be_repeated, setup, folder_leave),
		cmocka_unit_test_setup_teardown(what_fails_past_the_cache_goes_through_it, setup, folder_leave),
		cmocka_unit_test_setup_teardown(short_writes_go_on, setup, folder_leave),
		cmocka_unit_test_setup_teardown(without_links_it_is_still_created_once, setup, folder_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
