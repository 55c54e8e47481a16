/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One table of tests for every backend: what the seam promises. Then what only a folder has. Buckets take part where
 * S3_ENDPOINT names a service, as tests/s3/test_backend.sh does.
 */
#include "storage/backend.h"

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
#include "storage/ids.h"
#include "tests/folder.h"
#include "tests/unit.h"

typedef struct backend *maker(struct err **errp);

static struct backend *make_local(struct err **errp)
{
	return backend_local_open("repository with blanks", true, errp);
}

/* A place of its own for each test. */
static struct backend *make_in_bucket(const char *variable, struct err **errp)
{
	static atomic_uint next;
	const struct backend_options options = {.create = true};
	const char *endpoint = getenv("S3_ENDPOINT"), *bucket = getenv(variable);
	if (!endpoint || !bucket)
		return NULL;
	AUTO(freep)
	char *url = file_format("s3+%s/%s/%d test/%u", endpoint, bucket, getpid(), atomic_fetch_add(&next, 1));
	return url ? backend_open(url, &options, errp) : NULL;
}

static struct backend *make_plain(struct err **errp)
{
	return make_in_bucket("S3_PLAIN", errp);
}

static struct backend *make_versioned(struct err **errp)
{
	return make_in_bucket("S3_VERSIONED", errp);
}

static const struct kind {
	maker *make;
	bool elsewhere; /* only there where the environment names it */
} kinds[] = {{make_local, false}, {backend_memory_new, false}, {make_plain, true}, {make_versioned, true}};

static struct backend *make(size_t which)
{
	AUTO(err_freep) struct err *err = NULL;
	struct backend *backend = kinds[which].make(&err);
	if (err)
		fail_msg("%s", err_message(err));
	if (!backend && !kinds[which].elsewhere)
		fail_msg("no backend");
	return backend;
}

static void put(struct backend *backend, const char *name, const char *text)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!backend_put_once(backend, name, SPAN(text, strlen(text)), &err))
		fail_msg("%s", err_message(err));
}

static void assert_code(struct err **errp, enum err_code code)
{
	assert_non_null(*errp);
	if (err_code(*errp) != code)
		fail_msg("%s", err_message(*errp));
	err_clear(errp);
}

static void assert_get(struct backend *backend, const char *name, const char *expected)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes body = {0};
	if (!backend_get(backend, name, 1 << 20, &body, &err))
		fail_msg("%s", err_message(err));
	assert_int_equal(body.len, strlen(expected));
	if (body.len > 0)
		assert_memory_equal(body.data, expected, body.len);
}

static void created_once(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	put(backend, "w/00", "mine");
	put(backend, "w/00", "mine"); /* the same bytes are ours */
	assert_false(backend_put_once(backend, "w/00", SPAN_TEXT("other"), &err));
	assert_string_equal(err_object(err), "w/00");
	assert_code(&err, ERR_EXISTS);
	assert_get(backend, "w/00", "mine");
	put(backend, "empty", "");
	assert_get(backend, "empty", "");
	assert_false(backend_put_once(backend, "empty", SPAN_TEXT("x"), &err));
	assert_code(&err, ERR_EXISTS);
}

static void replaced(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!backend->ops->put)
		return;
	assert_true(backend_put(backend, "b/00", SPAN_TEXT("one"), &err));
	assert_true(backend_put(backend, "b/00", SPAN_TEXT("two two"), &err));
	assert_get(backend, "b/00", "two two");
}

static void read_in_parts(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	char part[8] = "";
	size_t len;
	uint64_t size;
	put(backend, "p/00/01", "0123456789");
	assert_true(backend_get_range(backend, "p/00/01", 3, part, 4, &err));
	assert_memory_equal(part, "3456", 4);
	assert_true(backend_get_range(backend, "p/00/01", 10, part, 0, &err));
	assert_false(backend_get_range(backend, "p/00/01", 7, part, 4, &err));
	assert_code(&err, ERR_CORRUPT);
	assert_false(backend_get_range(backend, "p/00/01", UINT64_MAX, part, 4, &err));
	assert_code(&err, ERR_CORRUPT);
	assert_true(backend_get_tail(backend, "p/00/01", part, 4, &len, &size, &err));
	assert_memory_equal(part, "6789", 4);
	assert_int_equal(len, 4);
	assert_int_equal(size, 10);
	put(backend, "p/00/02", "abc");
	assert_true(backend_get_tail(backend, "p/00/02", part, 8, &len, &size, &err));
	assert_int_equal(len, 3);
	assert_true(backend_size(backend, "p/00/01", &size, &err));
	assert_int_equal(size, 10);
}

static void too_large_is_damage(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes body = {0};
	put(backend, "c/00", "0123456789");
	assert_false(backend_get(backend, "c/00", 9, &body, &err));
	assert_string_equal(err_object(err), "c/00");
	assert_code(&err, ERR_CORRUPT);
}

static void missing_is_not_found(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	char byte;
	size_t len;
	uint64_t size;
	assert_false(backend_size(backend, "x/00", &size, &err));
	assert_code(&err, ERR_NOT_FOUND);
	assert_false(backend_get_range(backend, "x/00", 0, &byte, 1, &err));
	assert_code(&err, ERR_NOT_FOUND);
	assert_false(backend_get_tail(backend, "x/00", &byte, 1, &len, &size, &err));
	assert_code(&err, ERR_NOT_FOUND);
	assert_false(backend_remove(backend, "x/00", &err));
	assert_code(&err, ERR_NOT_FOUND);
}

static void removed(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	uint64_t size;
	put(backend, "p/01/01", "a");
	put(backend, "p/01/02", "b");
	assert_true(backend_remove(backend, "p/01/01", &err));
	assert_false(backend_size(backend, "p/01/01", &size, &err));
	assert_code(&err, ERR_NOT_FOUND);
	assert_get(backend, "p/01/02", "b");
	put(backend, "p/01/01", "c");
}

static void odd_names_are_refused(struct backend *backend)
{
	static const char *const names[] = {
		"",
		"/",
		"/a",
		"a/",
		"a//b",
		"..",
		"../a",
		"a/../b",
		"a/.b",
		"tmp/a",
		"tmp",
		"A",
		"a b",
		"a\nb",
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901"};
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		AUTO(err_freep) struct err *err = NULL;
		uint64_t size;
		assert_false(backend_put_once(backend, names[i], SPAN_TEXT("x"), &err));
		assert_code(&err, ERR_FAILED);
		assert_false(backend_size(backend, names[i], &size, &err));
		assert_code(&err, ERR_FAILED);
	}
}

struct listed {
	char text[4096];
	unsigned left; /* calls until it fails */
};

static bool note(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct listed *listed = arg;
	if (listed->left-- == 0)
		return err_set(errp, ERR_CANCELLED, "enough");
	size_t len = strlen(listed->text);
	snprintf(listed->text + len, sizeof(listed->text) - len, "%s=%u ", name, (unsigned)size);
	return true;
}

static void assert_list(struct backend *backend, const char *prefix, const char *expected)
{
	AUTO(err_freep) struct err *err = NULL;
	struct listed listed = {.left = 1000};
	if (!backend_list(backend, prefix, note, &listed, &err))
		fail_msg("%s", err_message(err));
	assert_string_equal(listed.text, expected);
}

static void listed_in_order(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	struct listed listed = {.left = 2};
	put(backend, "p/0b/01", "1");
	put(backend, "g/01/x", "");
	put(backend, "g/01.plan", "22");
	put(backend, "p/0a/02", "333");
	put(backend, "p/0a/01", "4444");
	put(backend, "config", "55555");
	put(backend, "g/010", "");
	assert_list(backend, "", "config=5 g/01.plan=2 g/01/x=0 g/010=0 p/0a/01=4 p/0a/02=3 p/0b/01=1 ");
	assert_list(backend, "p/", "p/0a/01=4 p/0a/02=3 p/0b/01=1 ");
	assert_list(backend, "p/0a", "p/0a/01=4 p/0a/02=3 ");
	assert_list(backend, "p/0a/", "p/0a/01=4 p/0a/02=3 ");
	assert_list(backend, "p/0a/02", "p/0a/02=3 ");
	assert_list(backend, "g/01", "g/01.plan=2 g/01/x=0 g/010=0 ");
	assert_list(backend, "con", "config=5 ");
	assert_list(backend, "w/", "");
	assert_list(backend, "p/0c/", "");
	assert_list(backend, "zz/yy/xx", "");
	assert_false(backend_list(backend, "", note, &listed, &err));
	assert_code(&err, ERR_CANCELLED);
	assert_string_equal(listed.text, "config=5 g/01.plan=2 ");
}

/* Deleting what is being listed must neither break the listing nor the list. */
static bool remove_listed(void *arg, const char *name, uint64_t size, struct err **errp)
{
	(void)size;
	return backend_remove(arg, name, errp);
}

static void a_lister_may_remove(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	put(backend, "p/0a/01", "1");
	put(backend, "p/0a/02", "2");
	put(backend, "p/0b/01", "3");
	assert_true(backend_list(backend, "p/", remove_listed, backend, &err));
	assert_list(backend, "p/", "");
}

struct race {
	struct backend *backend;
	atomic_uint next, won;
};

static bool run_race(void *arg, struct err **errp)
{
	struct race *race = arg;
	unsigned self = atomic_fetch_add(&race->next, 1);
	for (unsigned i = 0; i < 50; i++) {
		AUTO(err_freep) struct err *lost = NULL;
		char name[OBJECT_NAME_SIZE];
		snprintf(name, sizeof(name), "c/%02x/%04x", i % 7, i);
		if (backend_put_once(race->backend, name, SPAN(&self, sizeof(self)), &lost))
			atomic_fetch_add(&race->won, 1);
		else if (err_code(lost) != ERR_EXISTS)
			return err_move(errp, &lost);
	}
	return true;
}

static void a_race_has_one_winner(struct backend *backend)
{
	AUTO(err_freep) struct err *err = NULL;
	struct race race = {.backend = backend};
	struct pool *pool = pool_start("race", 8, run_race, NULL, &race, &err);
	assert_non_null(pool);
	if (!pool_join(pool, &err))
		fail_msg("%s", err_message(err));
	assert_int_equal(race.won, 50);
}

static void every_backend(void (*test)(struct backend *backend))
{
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		AUTO(backend_freep) struct backend *backend = make(i);
		if (backend)
			test(backend);
	}
}

#define FOR_EVERY_BACKEND(test)                     \
	static void test##_everywhere(void **state) \
	{                                           \
		(void)state;                        \
		every_backend(test);                \
	}                                           \
	_Static_assert(1, "")

FOR_EVERY_BACKEND(created_once);
FOR_EVERY_BACKEND(replaced);
FOR_EVERY_BACKEND(read_in_parts);
FOR_EVERY_BACKEND(too_large_is_damage);
FOR_EVERY_BACKEND(missing_is_not_found);
FOR_EVERY_BACKEND(removed);
FOR_EVERY_BACKEND(odd_names_are_refused);
FOR_EVERY_BACKEND(listed_in_order);
FOR_EVERY_BACKEND(a_lister_may_remove);
FOR_EVERY_BACKEND(a_race_has_one_winner);

static void what_is_no_object_is_damage(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(backend_freep) struct backend *backend = make(0);
	char byte;
	uint64_t size;
	put(backend, "c/00", "x");
	assert_int_equal(mkdir("repository with blanks/c/01", 0700), 0);
	assert_int_equal(symlink("00", "repository with blanks/c/02"), 0);
	assert_int_equal(mkfifo("repository with blanks/c/03", 0600), 0);
	for (int i = 1; i <= 3; i++) {
		char name[OBJECT_NAME_SIZE];
		snprintf(name, sizeof(name), "c/%02d", i);
		assert_false(backend_size(backend, name, &size, &err));
		assert_string_equal(err_object(err), name);
		assert_code(&err, ERR_CORRUPT);
		assert_false(backend_get_range(backend, name, 0, &byte, 1, &err));
		assert_code(&err, ERR_CORRUPT);
	}
	assert_false(backend_size(backend, "c/00/00", &size, &err));
	assert_code(&err, ERR_CORRUPT);
	assert_list(backend, "c/", "c/00=1 c/01=0 c/02=0 c/03=0 ");
	put(backend, "p/0a/00", "x");
	assert_int_equal(mkdir("repository with blanks/p/0a/01", 0700), 0);
	assert_list(backend, "p/", "p/0a/00=1 p/0a/01=0 ");
}

static void reading_writes_nothing(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint64_t size;
	assert_int_equal(mkdir("empty", 0700), 0);
	AUTO(backend_freep) struct backend *backend = backend_local_open("empty", false, &err);
	assert_non_null(backend);
	assert_list(backend, "", "");
	assert_false(backend_size(backend, "config", &size, &err));
	assert_int_equal(rmdir("empty"), 0);
}

static void permissions_follow_the_folder(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct stat st;
	assert_int_equal(mkdir("shared", 0700), 0);
	assert_int_equal(chmod("shared", 0750), 0);
	AUTO(backend_freep) struct backend *backend = backend_local_open("shared", true, &err);
	assert_non_null(backend);
	put(backend, "p/00/01", "x");
	assert_int_equal(stat("shared/p/00/01", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0440);
	assert_int_equal(stat("shared/p/00", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
}

static void foreign_places_are_refused(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	const struct backend_options create = {.create = true};
	assert_int_equal(mkdir("home", 0700), 0);
	assert_true(file_replace("home/letter.txt", SPAN_TEXT("dear"), 0600, &err));
	assert_null(backend_local_open("home", true, &err));
	assert_non_null(strstr(err_message(err), "letter.txt"));
	assert_code(&err, ERR_EXISTS);
	assert_int_equal(unlink("home/letter.txt"), 0);
	assert_int_equal(rmdir("home"), 0); /* nothing was made in it */
	assert_null(backend_local_open("nowhere", false, &err));
	assert_code(&err, ERR_NOT_FOUND);
	assert_null(backend_open("", &create, &err));
	assert_code(&err, ERR_USAGE);
	assert_true(file_replace("file", SPAN_TEXT("x"), 0600, &err));
	assert_null(backend_open("file", &(struct backend_options){0}, &err));
	assert_code(&err, ERR_NOT_FOUND);
	static const char *const urls[] = {"s4://bucket/prefix", "sftp:bucket", "ftp://x"};
	for (size_t i = 0; i < ARRAY_LENGTH(urls); i++) {
		assert_null(backend_open(urls[i], &create, &err));
		assert_non_null(strstr(err_message(err), urls[i]));
		assert_code(&err, ERR_USAGE);
	}
}

static void age(const char *path)
{
	const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	assert_int_equal(utimensat(AT_FDCWD, path, long_ago, 0), 0);
}

static void make_leftovers(const char *name, bool old)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *folder = file_format("left/tmp/%s", name);
	AUTO(freep) char *file = file_format("%s/tmp-abcdef", folder);
	AUTO(freep) char *lock = file_format("%s.lock", folder);
	assert_true(file_make_folders(folder, 0700, &err));
	assert_true(file_replace(file, SPAN_TEXT("half"), 0600, &err));
	assert_true(file_replace(lock, SPAN_TEXT(""), 0600, &err));
	if (old) {
		age(folder);
		age(lock);
	}
}

static void leftovers_of_the_dead_are_swept(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(file_closep) int held = -1;
	make_leftovers("dead", true);
	make_leftovers("alive", true);
	make_leftovers("fresh", false);
	assert_true(file_lock("left/tmp/alive.lock", &held, &err));
	age("left/tmp/alive.lock");
	{
		AUTO(backend_freep) struct backend *backend = backend_local_open("left", false, &err);
		assert_non_null(backend);
		put(backend, "c/00", "x");
		assert_list(backend, "", "c/00=1 ");
	}
	assert_int_equal(access("left/tmp/dead", F_OK), -1);
	assert_int_equal(access("left/tmp/dead.lock", F_OK), -1);
	assert_int_equal(access("left/tmp/alive/tmp-abcdef", F_OK), 0);
	assert_int_equal(access("left/tmp/fresh/tmp-abcdef", F_OK), 0);
}

/* Whoever may write to tmp/ may put links there, to what only a more powerful sweeper can remove. */
static void a_sweep_follows_no_link(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_true(file_make_folders("left/tmp", 0700, &err));
	assert_true(file_make_folders("home", 0700, &err));
	assert_true(file_replace("home/letter.txt", SPAN_TEXT("dear"), 0600, &err));
	assert_true(file_replace("left/tmp/link.lock", SPAN_TEXT(""), 0600, &err));
	assert_int_equal(symlink("../../home", "left/tmp/link"), 0);
	const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	assert_int_equal(utimensat(AT_FDCWD, "left/tmp/link", long_ago, AT_SYMLINK_NOFOLLOW), 0);
	age("left/tmp/link.lock");
	age("home");
	AUTO(backend_freep) struct backend *backend = backend_local_open("left", false, &err);
	assert_non_null(backend);
	put(backend, "c/00", "x");
	assert_int_equal(access("home/letter.txt", F_OK), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_enter, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(created_once_everywhere),		TEST(replaced_everywhere),
		TEST(read_in_parts_everywhere),		TEST(too_large_is_damage_everywhere),
		TEST(missing_is_not_found_everywhere),	TEST(removed_everywhere),
		TEST(odd_names_are_refused_everywhere), TEST(listed_in_order_everywhere),
		TEST(a_lister_may_remove_everywhere),	TEST(a_race_has_one_winner_everywhere),
		TEST(what_is_no_object_is_damage),	TEST(reading_writes_nothing),
		TEST(permissions_follow_the_folder),	TEST(foreign_places_are_refused),
		TEST(leftovers_of_the_dead_are_swept),	TEST(a_sweep_follows_no_link),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
