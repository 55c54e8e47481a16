/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/pack_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

static const struct session_id one = {.writer = "writer_", .number = 1}, two = {.writer = "writer_", .number = 2};

static void add(struct pack_set *set, const struct session_id *session, uint32_t seq)
{
	AUTO(err_freep) struct err *err = NULL;

	assert_true(pack_set_add(set, session, seq, &err));
}

static void test_add_and_has(void **state)
{
	(void)state;
	AUTO(pack_set_release) struct pack_set set = {0};
	AUTO(err_freep) struct err *err = NULL;

	add(&set, &two, 9);
	add(&set, &one, 1);
	add(&set, &one, 1000);
	assert_true(pack_set_has(&set, &one, 1) && pack_set_has(&set, &one, 1000) && pack_set_has(&set, &two, 9));
	assert_false(pack_set_has(&set, &two, 1) || pack_set_has(&set, &one, 9) || pack_set_has(&set, &two, 100000));
	assert_int_equal(pack_set_count(&set), 3);
	assert_false(pack_set_add(&set, &one, 0, &err));
	err_clear(&err);
	assert_false(pack_set_add(&set, &one, PACK_SET_SEQ_MAX, &err));
}

static void test_algebra(void **state)
{
	(void)state;
	AUTO(pack_set_release) struct pack_set a = {0}, b = {0};
	AUTO(err_freep) struct err *err = NULL;

	add(&a, &one, 1);
	add(&a, &two, 70);
	add(&b, &two, 71);
	add(&b, &two, 70);
	assert_true(pack_set_merge(&b, &a, &err));
	assert_int_equal(pack_set_count(&b), 3);
	pack_set_subtract(&b, &a);
	assert_int_equal(pack_set_count(&b), 1);
	assert_int_equal(b.n, 1);
	pack_set_subtract(&a, &a);
	assert_int_equal(a.n, 0);
}

static bool parse(struct span encoded, struct pack_set *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	struct cursor cursor;

	cursor_init(&cursor, encoded);
	return pack_set_parse(&cursor, ret, &err) && cursor_done(&cursor);
}

static void test_there_and_back(void **state)
{
	(void)state;
	AUTO(pack_set_release) struct pack_set set = {0}, again = {0};
	AUTO(bytes_release) struct bytes encoded;

	bytes_init(&encoded, 4096);
	add(&set, &one, 1);
	add(&set, &two, 1000);
	pack_set_encode(&set, &encoded);
	assert_true(parse(bytes_span(&encoded), &again));
	assert_int_equal(pack_set_count(&again), 2);
	assert_true(pack_set_has(&again, &two, 1000));
	for (size_t len = 0; len < encoded.len; len++) {
		struct pack_set cut = {0};
		assert_false(parse(SPAN(encoded.data, len), &cut));
	}
}

static void test_other_forms_are_refused(void **state)
{
	(void)state;
	AUTO(pack_set_release) struct pack_set set = {0}, again = {0};
	AUTO(bytes_release) struct bytes encoded;

	bytes_init(&encoded, 4096);
	add(&set, &one, 3);
	add(&set, &two, 3);
	pack_set_encode(&set, &encoded);
	size_t first_bits = 4 + 16 + 4, second = first_bits + 1;
	encoded.data[first_bits] = 9; /* seq 0 */
	assert_false(parse(bytes_span(&encoded), &again));
	encoded.data[first_bits] = 0; /* a final zero byte */
	assert_false(parse(bytes_span(&encoded), &again));
	encoded.data[first_bits] = 8;
	encoded.data[second + 15] = 1; /* the same session twice */
	assert_false(parse(bytes_span(&encoded), &again));
	encoded.data[second + 15] = 2;
	assert_true(parse(bytes_span(&encoded), &again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_and_has),
		cmocka_unit_test(test_algebra),
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_other_forms_are_refused),
	};

	return cmocka_run_group_tests_name("pack_set", tests, NULL, NULL);
}
