/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/collection.h"

#include <string.h>

#include "base/err.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

static const struct session_id first = {.writer = "writer_", .number = 1}, second = {.writer = "writer_", .number = 2};

static struct pack_set packs_of(const struct session_id *session, uint32_t seq)
{
	AUTO(err_freep) struct err *err = NULL;
	struct pack_set set = {0};

	assert_true(pack_set_add(&set, session, seq, &err));
	return set;
}

static void test_what_is_condemned(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(pack_set_release)
	struct pack_set one = packs_of(&first, 1), two = packs_of(&first, 2), three = packs_of(&second, 3);
	AUTO(collection_release) struct collection collection = {0};
	uint64_t live[] = {3, 7};
	struct checkpoint_writer writer = {.id8 = "writer_", .low = 9, .live = live, .n_live = 2};

	runs_plan(runs, 1, &one);
	runs_final(runs, 1, &two, &writer); /* a rescue: not all that was planned */
	runs_plan(runs, 2, &three);
	assert_true(collection_load(runs->repository, &collection, &err));
	assert_false(pack_set_has(&collection.condemned, &first, 1));
	assert_true(pack_set_has(&collection.condemned, &first, 2));
	assert_true(pack_set_has(&collection.condemned, &second, 3));
	assert_int_equal(collection.checkpoint_x, 1);
	assert_int_equal(collection_low(&collection, writer.id8), 9);
	assert_int_equal(collection_low(&collection, (const uint8_t *)"somebody"), 0);
}

static void test_what_stands(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(collection_release) struct collection collection = {0};
	uint64_t live[] = {3, 7};
	struct checkpoint_writer writer = {.id8 = "writer_", .low = 9, .live = live, .n_live = 2};
	struct session_id session = {.writer = "writer_"};

	runs_plan(runs, 1, &(struct pack_set){0});
	runs_final(runs, 1, &(struct pack_set){0}, &writer);
	runs_plan(runs, 2, &(struct pack_set){0});
	runs_final(runs, 2, &(struct pack_set){0}, &writer);
	assert_true(collection_load(runs->repository, &collection, &err));
	assert_int_equal(collection.checkpoint_x, 2);
	for (session.number = 1; session.number <= 12; session.number++) {
		bool expected = session.number == 3 || session.number == 7 || session.number > 9;
		assert_int_equal(collection_stands(&collection, &session), expected);
	}
}

static void must_fail(struct runs *runs, const char *object)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(collection_release) struct collection collection = {0};

	assert_false(collection_load(runs->repository, &collection, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	assert_string_equal(err_object(err), object);
}

static void test_damage_fails_closed(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};
	const char *name = "g/0000000000000001.plan";

	runs_plan(runs, 1, &(struct pack_set){0});
	assert_true(backend_get(repository_backend(runs->repository), name, 1 << 20, &object, &err));
	for (size_t i = 0; i < object.len; i += 7) {
		object.data[i] ^= 1;
		assert_true(backend_put(repository_backend(runs->repository), name, bytes_span(&object), &err));
		must_fail(runs, name);
		object.data[i] ^= 1;
	}
}

static void test_foreign_names_fail_closed(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	const char *name = "g/0000000000000001.other";

	assert_true(backend_put(repository_backend(runs->repository), name, SPAN_NONE, &err));
	must_fail(runs, name);
}

static void test_a_plan_that_its_final_does_not_name(void **state)
{
	struct runs *runs = *state;
	struct checkpoint_writer writer = {.id8 = "writer_", .low = 1};

	runs_final(runs, 1, &(struct pack_set){0}, &writer);
	runs_plan(runs, 1, &(struct pack_set){0});
	must_fail(runs, "g/0000000000000001.plan");
}

#define BOTH(test)                                                              \
	cmocka_unit_test_setup_teardown(test, runs_setup_local, runs_teardown), \
		cmocka_unit_test_setup_teardown(test, runs_setup_memory, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_what_is_condemned),
		BOTH(test_what_stands),
		BOTH(test_damage_fails_closed),
		BOTH(test_foreign_names_fail_closed),
		BOTH(test_a_plan_that_its_final_does_not_name),
	};

	return cmocka_run_group_tests_name("collection", tests, NULL, NULL);
}
