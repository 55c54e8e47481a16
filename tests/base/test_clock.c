/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

#include "tests/unit.h"

#define NS_PER_S UINT64_C(1000000000)

static void assert_names(const char *text, uint64_t last_second, uint64_t last_ns)
{
	uint64_t ns = 0;
	if (!clock_parse(text, &ns))
		fail_msg("'%s' was not taken", text);
	if (ns != last_second * NS_PER_S + last_ns)
		fail_msg("'%s' gave %llu", text, (unsigned long long)ns);
}

static void set_zone(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

static void format_is_rfc_3339(void **state)
{
	(void)state;
	char text[CLOCK_TEXT_SIZE];
	assert_string_equal(clock_format(0, text), "1970-01-01T00:00:00Z");
	assert_string_equal(clock_format(UINT64_C(1795330800) * NS_PER_S + 999999999, text), "2026-11-22T07:00:00Z");
}

static void a_text_names_its_last_nanosecond(void **state)
{
	(void)state;
	set_zone("UTC");
	assert_names("2026-11-22T07:00:00Z", 1795330800, 999999999);
	assert_names("2026-11-22T07:00:00.5Z", 1795330800, 599999999);
	assert_names("2026-11-22T07:00:00.123456789Z", 1795330800, 123456789);
	assert_names("2026-11-22T07:00Z", 1795330859, 999999999);
	assert_names("2026-11-22 07:00", 1795330859, 999999999);
	assert_names("2026-11-22", 1795391999, 999999999);
	assert_names("2028-02-29", 1835481599, 999999999);
}

static void zones_count(void **state)
{
	(void)state;
	set_zone("CET-1CEST,M3.5.0,M10.5.0/3");
	assert_names("2026-11-22T08:00:00", 1795330800, 999999999);
	assert_names("2026-11-22T09:30:00+02:30", 1795330800, 999999999);
	assert_names("2026-11-22T02:00:00-05:00", 1795330800, 999999999);
	assert_names("2026-10-25", 1792969199, 999999999); /* a day of 25 hours */
}

static void other_texts_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"latest",
		"2026",
		"2026-11",
		"2026-13-01",
		"2026-02-29",
		"2026-11-31",
		"2026-00-10",
		"2026-11-22T",
		"2026-11-22T07",
		"2026-11-22T24:00",
		"2026-11-22T07:60",
		"2026-11-22T07:00:60Z",
		"2026-11-22T07:00:00.Z",
		"2026-11-22T07:00:00Zz",
		"2026-11-22Z",
		"2026-11-22T07:00:00+1",
		"1969-12-31",
		"9999-01-01",
		"2026-11-22 ",
		"2026-1-22",
		"+026-11-22",
		"2026-11-22T07:00:00.1234567891Z",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint64_t ns = 42;
		if (clock_parse(texts[i], &ns))
			fail_msg("'%s' was taken", texts[i]);
		assert_true(ns == 42);
	}
}

static void clocks_run(void **state)
{
	(void)state;
	uint64_t before = clock_monotonic_ns();
	assert_true(clock_monotonic_ns() >= before);
	assert_true(clock_now_ns() > UINT64_C(1600000000) * NS_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_is_rfc_3339), cmocka_unit_test(a_text_names_its_last_nanosecond),
		cmocka_unit_test(zones_count),	      cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(clocks_run),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
