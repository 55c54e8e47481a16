/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/heads.h"

#include <stdatomic.h>

#include "base/err.h"
#include "base/file.h"
#include "base/pool.h"
#include "tests/folder.h"
#include "tests/unit.h"

static void load(struct heads *ret, bool expect_damaged)
{
	AUTO(err_freep) struct err *err = NULL;
	bool damaged = !expect_damaged;
	if (!heads_load(".", ret, &damaged, &err))
		fail_msg("%s", err_message(err));
	assert_int_equal(damaged, expect_damaged);
}

static void note(struct heads *heads, uint8_t writer, uint64_t number)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct session_id session = {.writer = {writer}, .number = number};
	const uint8_t point[HASH_SIZE] = {writer, (uint8_t)number};
	assert_true(heads_note(heads, &session, point, &err));
}

static void save(const struct heads *heads)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!heads_save(".", heads, &err))
		fail_msg("%s", err_message(err));
}

static void nothing_remembered(void **state)
{
	(void)state;
	AUTO(heads_release) struct heads heads = {0};
	load(&heads, false);
	assert_int_equal(heads.n, 0);
	assert_int_equal(heads.own_number, 0);
	AUTO(err_freep) struct err *err = NULL;
	bool damaged = true;
	assert_true(heads_load(NULL, &heads, &damaged, &err));
	assert_false(damaged);
	assert_int_equal(heads.n, 0);
}

static void the_newer_of_each_wins(void **state)
{
	(void)state;
	AUTO(heads_release)
	struct heads one = {
		.keyring_n = 3, .keyring_hash = {3}, .checkpoint_x = 1, .checkpoint_hash = {1}, .own_number = 9};
	AUTO(heads_release)
	struct heads two = {
		.keyring_n = 2, .keyring_hash = {2}, .checkpoint_x = 5, .checkpoint_hash = {5}, .own_number = 4};
	AUTO(heads_release) struct heads merged = {0};
	note(&one, 7, 10);
	note(&one, 7, 9); /* older: changes nothing */
	note(&one, 1, 1);
	note(&two, 7, 11);
	note(&two, 4, 2);
	save(&one);
	save(&two);
	load(&merged, false);
	assert_int_equal(merged.keyring_n, 3);
	assert_int_equal(merged.keyring_hash[0], 3);
	assert_int_equal(merged.checkpoint_x, 5);
	assert_int_equal(merged.checkpoint_hash[0], 5);
	assert_int_equal(merged.own_number, 9);
	assert_int_equal(merged.n, 3);
	assert_int_equal(merged.heads[0].session.writer[0], 1);
	assert_int_equal(merged.heads[1].session.writer[0], 4);
	assert_int_equal(merged.heads[2].session.number, 11);
	assert_int_equal(merged.heads[2].point[1], 11);
}

static void damage_is_forgotten_and_said(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(heads_release) struct heads heads = {.keyring_n = 1, .keyring_hash = {1}};
	AUTO(bytes_release) struct bytes file = {0};
	note(&heads, 1, 1);
	save(&heads);
	assert_true(file_read_all("heads", 1 << 20, &file, &err));
	for (size_t i = 0; i < file.len; i++) {
		AUTO(heads_release) struct heads found = {0};
		file.data[i] ^= 1;
		assert_true(file_replace("heads", bytes_span(&file), 0600, &err));
		load(&found, true);
		assert_int_equal(found.n, 0);
		file.data[i] ^= 1;
	}
	assert_true(file_replace("heads", SPAN_TEXT(""), 0600, &err));
	heads_release(&heads);
	load(&heads, true);
	note(&heads, 2, 2);
	save(&heads);
	heads_release(&heads);
	load(&heads, false);
	assert_int_equal(heads.n, 1);
}

enum { THREADS = 8, ROUNDS = 10 };

static bool save_own(void *arg, struct err **errp)
{
	atomic_uint *next = arg;
	const uint8_t writer = (uint8_t)(atomic_fetch_add(next, 1) + 1);
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		AUTO(heads_release) struct heads heads = {0};
		const struct session_id session = {.writer = {writer}, .number = i};
		const uint8_t point[HASH_SIZE] = {writer};
		if (!heads_note(&heads, &session, point, errp) || !heads_save(".", &heads, errp))
			return false;
	}
	return true;
}

static void nothing_is_lost_between_savers(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(heads_release) struct heads heads = {0};
	atomic_uint next = 0;
	struct pool *pool = pool_start("heads", THREADS, save_own, NULL, &next, &err);
	assert_non_null(pool);
	if (!pool_join(pool, &err))
		fail_msg("%s", err_message(err));
	load(&heads, false);
	assert_int_equal(heads.n, THREADS);
	for (size_t i = 0; i < heads.n; i++)
		assert_int_equal(heads.heads[i].session.number, ROUNDS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_enter, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nothing_remembered),
		TEST(the_newer_of_each_wins),
		TEST(damage_is_forgotten_and_said),
		TEST(nothing_is_lost_between_savers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
