/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/commit.h"

#include <string.h>

#include "base/err.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

#define LEN ((size_t)200000)

static void load(struct runs *runs, struct point *point, struct bytes *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	char name[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 7, plain, LEN, point);
	object_name_session('c', &point->session, name);
	assert_true(backend_get(repository_backend(runs->repository), name, COMMIT_MAX_BYTES, ret, &err));
}

static void test_there_and_back(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(point_release) struct point point = {0};
	AUTO(commit_release) struct commit commit = {0};

	load(runs, &point, &object);
	if (!commit_decode(runs->repository, &point.session, bytes_span(&object), &commit, &err))
		fail_msg("%s", err_message(err));
	assert_int_equal(commit.kind, COMMIT_POINT);
	assert_memory_equal(commit.point.id, point.id, POINT_ID_SIZE);
	assert_string_equal(commit.point.workload, "web01");
	assert_int_equal(commit.point.cut_ns, 7);
	assert_int_equal(commit.n_lists, 1);
	assert_int_equal(pack_set_count(&commit.packs), 2);
	assert_int_equal(commit.point.streams[0].top.at.seq, point.streams[0].top.at.seq);
}

static bool decodes(struct runs *runs, const struct session_id *session, struct span object)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(commit_release) struct commit commit = {0};
	bool ok = commit_decode(runs->repository, session, object, &commit, &err);

	assert_true(ok || err_object(err) != NULL);
	return ok;
}

static void test_every_byte_counts(void **state)
{
	struct runs *runs = *state;
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(point_release) struct point point = {0};

	load(runs, &point, &object);
	for (size_t i = 0; i < object.len; i++) {
		object.data[i] ^= 0x10;
		assert_false(decodes(runs, &point.session, bytes_span(&object)));
		object.data[i] ^= 0x10;
	}
	for (size_t len = 0; len < object.len; len++)
		assert_false(decodes(runs, &point.session, SPAN(object.data, len)));
	assert_true(decodes(runs, &point.session, bytes_span(&object)));
}

static void test_name_counts(void **state)
{
	struct runs *runs = *state;
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(point_release) struct point point = {0};

	load(runs, &point, &object);
	struct session_id other = point.session;
	other.number++;
	assert_false(decodes(runs, &other, bytes_span(&object)));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, runs_setup_memory, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_there_and_back), TEST(test_every_byte_counts),
					   TEST(test_name_counts)};

	return cmocka_run_group_tests_name("commit", tests, NULL, NULL);
}
