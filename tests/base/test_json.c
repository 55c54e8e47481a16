/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <string.h>

#include "base/err.h"
#include "tests/error.h"

static void a_tree_is_built_and_written(void **state)
{
	(void)state;
	AUTO(json_freep) struct json *object = json_new_object();
	struct json *array = json_new_array();
	json_append(array, json_new_number(INT64_MAX));
	json_append(array, json_new_bool(true));
	json_append(array, json_new_text(NULL));
	json_set(object, "name", json_new_text("wörk\"01"));
	json_set(object, "list", array);
	AUTO(freep) char *text = json_to_text(object);
	assert_string_equal(text, "{\"name\":\"wörk\\\"01\",\"list\":[9223372036854775807,true,null]}");
}

static void it_is_read_back(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(json_freep)
	struct json *object = json_parse("{\"a\":[{\"n\":5,\"neg\":-1,\"s\":\"x\",\"b\":true}]}", "answer", &err);
	assert_non_null(object);
	assert_int_equal(json_length(json_get(object, "a")), 1);
	const struct json *item = json_at(json_get(object, "a"), 0);
	assert_int_equal(json_get_number(item, "n", 9), 5);
	assert_int_equal(json_get_number(item, "neg", 9), 9);
	assert_int_equal(json_get_number(item, "s", 9), 9);
	assert_string_equal(json_get_text(item, "s"), "x");
	assert_null(json_get_text(item, "n"));
	assert_null(json_get(item, "missing"));
	assert_null(json_at(json_get(object, "a"), 1));
	assert_int_equal(json_get_number(NULL, "n", 9), 9); /* of what is missing, nothing is there */
	assert_int_equal(json_length(NULL), 0);
}

static void what_is_no_json_is_damage(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "{", "{\"a\":1,\"a\":2}", "nul", "[1] 2", "\"\\ud800\"", "\"\xff\""};
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		AUTO(err_freep) struct err *err = NULL;
		assert_null(json_parse(texts[i], "answer", &err));
		assert_error(&err, ERR_CORRUPT, "answer: not JSON");
	}
}

static void a_lost_leaf_fails_the_writing_once(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(json_freep) struct json *object = json_new_object();
	json_set(object, "lost", NULL);
	assert_false(json_write(object, stdout, &err));
	assert_int_equal(err_code(err), ERR_NO_MEMORY);
	AUTO(freep) char *text = json_to_text(object);
	assert_string_equal(text, "{}");
}

static void names_that_are_no_utf8_are_shown(void **state)
{
	(void)state;
	AUTO(json_freep) struct json *name = json_new_text("disk\xff");
	AUTO(freep) char *text = json_to_text(name);
	assert_string_equal(text, "\"disk\xef\xbf\xbd\"");
}

static void a_full_output_is_an_error(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(json_freep) struct json *null = json_new_null();
	FILE *full = fopen("/dev/full", "w");
	assert_non_null(full);
	assert_false(json_write(null, full, &err));
	assert_int_equal(err_code(err), ERR_NO_SPACE);
	fclose(full);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tree_is_built_and_written),
		cmocka_unit_test(it_is_read_back),
		cmocka_unit_test(what_is_no_json_is_damage),
		cmocka_unit_test(a_lost_leaf_fails_the_writing_once),
		cmocka_unit_test(names_that_are_no_utf8_are_shown),
		cmocka_unit_test(a_full_output_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
