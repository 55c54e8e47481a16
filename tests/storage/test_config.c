/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/config.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

static void assert_code(struct err **errp, enum err_code code)
{
	assert_non_null(*errp);
	if (err_code(*errp) != code)
		fail_msg("%s", err_message(*errp));
	err_clear(errp);
}

static void comes_back(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct config config, found;
	uint8_t object[CONFIG_SIZE];
	assert_true(config_make(CREATE_ONCE_OWN, &config, object, &err));
	assert_true(config_parse(SPAN_OF(object), &found, &err));
	assert_memory_equal(&config, &found, sizeof(config));
	assert_memory_not_equal(config.domain, config.store, DOMAIN_SIZE);
}

static void any_changed_byte_is_noticed(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct config config;
	uint8_t object[CONFIG_SIZE + 1];
	assert_true(config_make(CREATE_ONCE_OWN, &config, object, &err));
	for (size_t i = 0; i < CONFIG_SIZE; i++) {
		object[i] ^= 0x40;
		assert_false(config_parse(SPAN(object, CONFIG_SIZE), &config, &err));
		assert_code(&err, ERR_CORRUPT);
		object[i] ^= 0x40;
	}
	for (size_t len = 0; len < CONFIG_SIZE; len++) {
		assert_false(config_parse(SPAN(object, len), &config, &err));
		assert_code(&err, ERR_CORRUPT);
	}
	assert_false(config_parse(SPAN(object, CONFIG_SIZE + 1), &config, &err));
	assert_code(&err, ERR_CORRUPT);
}

/* Sets bytes and makes the checksum right again. */
static bool parse_changed(size_t at, uint8_t value, struct config *config, struct err **errp)
{
	uint8_t object[CONFIG_SIZE];
	const struct span checked = SPAN(object, CONFIG_SIZE - HASH_SIZE);
	if (!config_make(CREATE_ONCE_OWN, config, object, errp))
		return false;
	object[at] = value;
	return crypto_sha256(&checked, 1, object + checked.len, errp) && config_parse(SPAN_OF(object), config, errp);
}

static void unknown_values_are_refused(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct config config;
	static const struct {
		size_t at;
		uint8_t value;
	} wrong[] = {{8, 0},  {10, 0}, {12, 0},	   {14, 3}, {48, 2}, {49, 0},
		     {50, 2}, {51, 9}, {55, 0xff}, {58, 1}, {60, 1}, {63, 1}};
	for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
		assert_false(parse_changed(wrong[i].at, wrong[i].value, &config, &err));
		assert_code(&err, ERR_CORRUPT);
	}
	assert_false(parse_changed(10, 2, &config, &err));
	assert_non_null(strstr(err_message(err), "format 2"));
	assert_non_null(strstr(err_message(err), "format 1"));
	assert_code(&err, ERR_UNSUPPORTED);
	assert_true(parse_changed(12, 2, &config, &err)); /* a newer writer is needed, and a reader is not */
	assert_int_equal(config.min_writer, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(any_changed_byte_is_noticed),
		cmocka_unit_test(unknown_values_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
