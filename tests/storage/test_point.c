/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/point.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hex.h"
#include "tests/error.h"
#include "tests/storage/runs.h"

#define LEN ((size_t)100000)
#define DAY UINT64_C(86400000000000)

/* Three points: web01 on day 1 and day 3, web02 on day 2. */
static void make_points(struct runs *runs, struct point points[3])
{
	const char *const workloads[] = {"web01", "web02", "web01"};

	for (uint64_t i = 0; i < 3; i++) {
		AUTO(freep) uint8_t *plain = runs_bytes(i + 1, LEN);
		runs_back_up(runs, workloads[i], (i + 1) * DAY, plain, LEN, &points[i]);
	}
}

static void release(struct point points[3])
{
	for (size_t i = 0; i < 3; i++)
		point_release(&points[i]);
}

static void must_find(struct runs *runs, const char *text, const struct point *expected)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};

	if (!point_find(runs->repository, text, &point, &err))
		fail_msg("%s: %s", text, err_message(err));
	assert_memory_equal(point.id, expected->id, POINT_ID_SIZE);
}

static void must_not_find(struct runs *runs, const char *text, enum err_code code, const char *word)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};

	assert_false(point_find(runs->repository, text, &point, &err));
	assert_error(&err, code, word);
}

static void test_find(void **state)
{
	struct runs *runs = *state;
	struct point points[3];
	char id[2 * POINT_ID_SIZE + 1], text[64];

	make_points(runs, points);
	must_find(runs, "web01", &points[2]);
	must_find(runs, "web01@latest", &points[2]);
	must_find(runs, "web01@1970-01-03T12:00:00Z", &points[0]);
	must_find(runs, "web01@1970-01-04T00:00:00Z", &points[2]);
	must_not_find(runs, "web01@1970-01-01T12:00:00Z", ERR_NOT_FOUND, "at or before");
	must_not_find(runs, "web01@soon", ERR_USAGE, "soon");
	must_not_find(runs, "web1", ERR_NOT_FOUND, "web01");
	must_not_find(runs, "ffffffff", ERR_NOT_FOUND, "ffffffff");
	hex_encode(points[1].id, POINT_ID_SIZE, id);
	snprintf(text, sizeof(text), "%.6s", id);
	must_find(runs, text, &points[1]);
	must_find(runs, id, &points[1]);
	release(points);
}

/* A workload is found by its name, whatever it looks like, and never in place of another's point. */
static void test_names_that_look_like_something_else(void **state)
{
	struct runs *runs = *state;
	struct point points[5];
	AUTO(freep) uint8_t *plain = runs_bytes(9, LEN);
	char id[2 * POINT_ID_SIZE + 1], prefix[8];

	make_points(runs, points);
	snprintf(prefix, sizeof(prefix), "%.7s", hex_encode(points[0].id, POINT_ID_SIZE, id));
	runs_back_up(runs, prefix, 5 * DAY, plain, LEN, &points[3]);
	must_not_find(runs, prefix, ERR_USAGE, "@latest, or more of the id");
	id[8] = '\0';
	must_find(runs, id, &points[0]);
	snprintf(id, sizeof(id), "%s@latest", prefix);
	must_find(runs, id, &points[3]);
	runs_back_up(runs, "backup@nas", 6 * DAY, plain, LEN, &points[4]);
	must_find(runs, "backup@nas", &points[4]);
	must_find(runs, "backup@nas@latest", &points[4]);
	release(points);
	point_release(&points[3]);
	point_release(&points[4]);
	runs_back_up(runs, "web01@latest", 7 * DAY, plain, LEN, &points[3]);
	runs_back_up(runs, "web03@1970-01-03", 8 * DAY, plain, LEN, &points[4]);
	must_find(runs, "web01@latest@latest", &points[3]);
	must_find(runs, "web03@1970-01-03", &points[4]);
	must_not_find(runs, "web01@latest@1970-01-03", ERR_NOT_FOUND, "at or before");
	point_release(&points[3]);
	point_release(&points[4]);
}

static void test_list_is_newest_first(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list all = {0}, some = {0};
	struct point points[3];

	make_points(runs, points);
	assert_true(point_list_load(runs->repository, NULL, &all, &err));
	assert_int_equal(all.n, 3);
	for (size_t i = 0; i < 3; i++)
		assert_memory_equal(all.points[i].id, points[2 - i].id, POINT_ID_SIZE);
	assert_true(point_list_load(runs->repository, "web02", &some, &err));
	assert_int_equal(some.n, 1);
	assert_string_equal(some.points[0].workload, "web02");
	assert_int_equal(point_bytes(&some.points[0]), LEN);
	release(points);
}

static void replace(struct runs *runs, const char *name, size_t flip)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};

	assert_true(backend_get(repository_backend(runs->repository), name, 1 << 24, &object, &err));
	object.data[flip] ^= 1;
	assert_true(backend_put(repository_backend(runs->repository), name, bytes_span(&object), &err));
}

static void test_damage_is_named_and_hides_nothing(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list list = {0};
	struct point points[3];
	char name[OBJECT_NAME_SIZE];

	make_points(runs, points);
	replace(runs, object_name_session('c', &points[1].session, name), 100);
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n, 2);
	assert_int_equal(list.n_damaged, 1);
	assert_memory_equal(list.damaged[0], name, strlen(name));
	must_not_find(runs, "web02", ERR_CORRUPT, name);
	release(points);
}

static void test_vanished_head_is_an_alarm(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list list = {0};
	struct point points[3];
	char name[OBJECT_NAME_SIZE];

	make_points(runs, points);
	object_name_session('c', &points[2].session, name);
	assert_true(backend_remove(repository_backend(runs->repository), name, &err));
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n, 2);
	assert_int_equal(list.n_damaged, 0);
	assert_int_equal(list.n_vanished, 1);
	assert_non_null(strstr(list.vanished[0].text, "vanished"));
	assert_non_null(strstr(list.vanished[0].text, "'owner'"));
	must_not_find(runs, "web03", ERR_NOT_FOUND, "vanished");
	release(points);
}

/* The newest is there, and names the one before it; what was chosen is newer than what is missing. */
static void test_vanished_point_is_named_by_the_next(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list list = {0};
	AUTO(point_release) struct point found = {0};
	struct point points[3];
	char name[OBJECT_NAME_SIZE];

	make_points(runs, points);
	object_name_session('c', &points[1].session, name);
	assert_true(backend_remove(repository_backend(runs->repository), name, &err));
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n_damaged, 0);
	assert_int_equal(list.n_vanished, 1);
	assert_memory_equal(list.vanished[0].text, name, strlen(name));
	assert_true(session_id_equal(&list.vanished[0].session, &points[1].session));
	assert_int_equal(list.vanished[0].before_ns, points[2].cut_ns);
	assert_true(point_find(runs->repository, "web01@latest", &found, &err));
	assert_string_equal(found.missed, "");
	release(points);
}

/* The clock was two days ahead when the second was made, and is right again. */
static void test_wrong_clock_does_not_make_it_the_newest(void **state)
{
	enum { N = 4 };
	const uint64_t day = UINT64_C(86400) * 1000000000, now = 1000 * day;
	const uint64_t cut[N] = {now, now + 2 * day, now + day / 2, now + day};
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list list = {0};
	struct point points[N];
	uint8_t plain[100] = {0};

	for (size_t i = 0; i < N; i++) {
		plain[0] = (uint8_t)i;
		runs_back_up(runs, "web01", cut[i], plain, sizeof(plain), &points[i]);
	}
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n, N);
	for (size_t i = 0; i < N; i++) {
		assert_memory_equal(list.points[i].id, points[N - 1 - i].id, POINT_ID_SIZE);
		assert_int_equal(list.points[i].cut_ns, cut[N - 1 - i]);
	}
	must_find(runs, "web01@latest", &points[N - 1]);
	for (size_t i = 0; i < N; i++)
		point_release(&points[i]);
}

static void test_what_does_not_stand_is_not_listed(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list list = {0};
	struct point points[3];

	make_points(runs, points);
	uint64_t live[] = {points[1].session.number};
	struct checkpoint_writer writer = {.low = points[2].session.number, .live = live, .n_live = 1};
	memcpy(writer.id8, points[0].session.writer, WRITER_SIZE);
	runs_plan(runs, 1, &(struct pack_set){0});
	runs_final(runs, 1, &(struct pack_set){0}, &writer);
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n, 1);
	assert_memory_equal(list.points[0].id, points[1].id, POINT_ID_SIZE);
	assert_int_equal(list.n_damaged, 0);
	assert_int_equal(list.n_vanished, 0);
	release(points);
}

static void test_bad_sector_hides_nothing(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list list = {0};
	struct point points[3];
	char name[OBJECT_NAME_SIZE];

	make_points(runs, points);
	runs_break(runs, object_name_session('c', &points[1].session, name));
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n, 2);
	assert_int_equal(list.n_damaged, 1);
	assert_non_null(strstr(list.damaged[0], name));
	must_find(runs, "web01@latest", &points[2]);
	release(points);
}

/* Keys that expire meanwhile say nothing about what they open. */
static void test_a_refusal_is_no_damage(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list list = {0};
	struct point points[3];
	char name[OBJECT_NAME_SIZE];

	make_points(runs, points);
	runs_fail(runs, object_name_session('c', &points[1].session, name), ERR_DENIED);
	assert_false(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(err_code(err), ERR_DENIED);
	release(points);
}

#define BOTH(test)                                                              \
	cmocka_unit_test_setup_teardown(test, runs_setup_local, runs_teardown), \
		cmocka_unit_test_setup_teardown(test, runs_setup_memory, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_find),
		BOTH(test_names_that_look_like_something_else),
		BOTH(test_list_is_newest_first),
		BOTH(test_damage_is_named_and_hides_nothing),
		BOTH(test_bad_sector_hides_nothing),
		BOTH(test_a_refusal_is_no_damage),
		BOTH(test_vanished_head_is_an_alarm),
		BOTH(test_vanished_point_is_named_by_the_next),
		BOTH(test_wrong_clock_does_not_make_it_the_newest),
		BOTH(test_what_does_not_stand_is_not_listed),
	};

	return cmocka_run_group_tests_name("point", tests, NULL, NULL);
}
