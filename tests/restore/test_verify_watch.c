/* SPDX-License-Identifier: Apache-2.0 */
/* From when a machine's time counts. */
#include "restore/verify_watch.h"

#include <regex.h>
#include <string.h>

#include "base/clock.h"
#include "tests/unit.h"

enum { PREPARING_NS = 20000000 };

/* As long as QEMU is made ready. */
static void let_time_pass(void)
{
	for (uint64_t from = clock_monotonic_ns(); clock_monotonic_ns() < from + PREPARING_NS;)
		continue;
}

static void time_counts_from_the_first_word(void **state)
{
	(void)state;
	struct verify_watch watch;
	regex_t expect;
	char line[JUDGE_LINE_SIZE];
	assert_int_equal(regcomp(&expect, "login:", REG_EXTENDED | REG_NOSUB), 0);
	const struct judge_rules rules = {
		.expect = &expect, .expect_text = "login:", .console_counts = true, .limit_s = 10};
	verify_watch_init(&watch, &rules);
	let_time_pass();
	assert_int_equal(verify_watch_look(&watch, line), 0);
	uint64_t realtime = clock_now_ns(), before = clock_monotonic_ns();
	verify_watch_heard(&watch, RUN_FIRMWARE, "SeaBIOS\n", 8);
	verify_watch_heard(&watch, RUN_CONSOLE, "login:\n", 7);
	uint64_t took = clock_monotonic_ns() - before;
	assert_int_equal(watch.judge.judgement, JUDGE_READY);
	assert_true(watch.judge.at_ns <= took);
	assert_true(watch.started_ns >= realtime);
	verify_watch_release(&watch);
	regfree(&expect);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(time_counts_from_the_first_word)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
