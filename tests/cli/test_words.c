/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "cli/words.h"
#include "tests/error.h"

static void sizes_have_binary_factors(void **state)
{
	static const struct {
		const char *text;
		uint64_t size;
	} cases[] = {{"4096", 4096},
		     {"1B", 1},
		     {"512M", UINT64_C(512) << 20},
		     {"3k", 3072},
		     {"20GiB", UINT64_C(20) << 30},
		     {"2T", UINT64_C(2) << 40}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct err *err = NULL;
		uint64_t size = 0;
		assert_true(words_parse_size("memory", cases[i].text, &size, &err));
		assert_int_equal(size, cases[i].size);
	}
}

static void what_is_no_size_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "0", "-1", "G", "1.5G", "1X", "1GB", "1Gi", "1 G", "99999999999999999999", "18446744073709551615K"};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		AUTO(err_freep) struct err *err = NULL;
		uint64_t size = 7;
		assert_false(words_parse_size("memory", texts[i], &size, &err));
		assert_error(&err, ERR_USAGE, "--memory");
		assert_int_equal(size, 7);
	}
}

static void numbers_have_a_limit(void **state)
{
	static const char *const texts[] = {"", "-1", "3601", "1s", " 1", "4294967297"};
	struct err *err = NULL;
	unsigned number;
	(void)state;
	assert_true(words_parse_number("freeze-timeout", "3600", 0, 3600, &number, &err));
	assert_int_equal(number, 3600);
	assert_true(words_parse_number("vcpus", "1", 1, 16, &number, &err));
	assert_false(words_parse_number("vcpus", "0", 1, 16, &number, &err));
	assert_error(&err, ERR_USAGE, "--vcpus '0' is not a number from 1 to 16");
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		assert_false(words_parse_number("freeze-timeout", texts[i], 0, 3600, &number, &err));
		err_clear(&err);
	}
}

static void durations_are_short(void **state)
{
	static const struct {
		double seconds;
		const char *text;
	} cases[] = {{0, "0.0 s"},	  {9.94, "9.9 s"},     {9.96, "10 s"},	 {59.4, "59 s"},	{60, "1 min"},
		     {200, "3 min 20 s"}, {7500, "2 h 5 min"}, {86400, "1 day"}, {176400, "2 days 1 h"}};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		char text[WORDS_SIZE];
		assert_string_equal(words_duration(cases[i].seconds, text), cases[i].text);
	}
}

static void check_disk(const char *text, const char *name, const char *path)
{
	struct err *err = NULL;
	AUTO(freep) char *got_name = NULL;
	const char *got_path;
	assert_true(words_split_disk(text, &got_name, &got_path, &err));
	assert_string_equal(got_path, path);
	if (name)
		assert_string_equal(got_name, name);
	else
		assert_null(got_name);
}

static void disks_may_have_a_name(void **state)
{
	struct err *err = NULL;
	char *name;
	const char *path;
	(void)state;
	check_disk("vda=/srv/a.raw", "vda", "/srv/a.raw");
	check_disk("/srv/a.raw", NULL, "/srv/a.raw");
	check_disk("./a=b.raw", NULL, "./a=b.raw");
	check_disk("=a.raw", NULL, "=a.raw");
	check_disk("vda=b=c", "vda", "b=c");
	assert_false(words_split_disk("vda=", &name, &path, &err));
	err_clear(&err);
}

static void nothing_steers_the_terminal(void **state)
{
	char text[] = "a\033[2Jb\nc\x7f\xc2\x9b"
		      "d\xc3\xa4";
	(void)state;
	assert_string_equal(words_make_printable(text), "a?[2Jb?c???d\xc3\xa4");
	/* NOLINTNEXTLINE(misc-misleading-bidirectional): what must not reach a terminal */
	char turned[] = "host\xe2\x80\xae redaer\xe2\x81\xa9\xd8\x9c\xff";
	assert_string_equal(words_make_printable(turned), "host??? redaer?????\xff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes_have_binary_factors), cmocka_unit_test(what_is_no_size_is_refused),
		cmocka_unit_test(numbers_have_a_limit),	     cmocka_unit_test(durations_are_short),
		cmocka_unit_test(disks_may_have_a_name),     cmocka_unit_test(nothing_steers_the_terminal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
