/* SPDX-License-Identifier: Apache-2.0 */
/* What machines do when they boot, and what is judged of it. */
#include "restore/verify_judge.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

#define S UINT64_C(1000000000)

static regex_t expression;

static struct judge_rules usual_rules(void)
{
	return (struct judge_rules){.expect = &expression,
				    .expect_text = "login:",
				    .agent_counts = true,
				    .console_counts = true,
				    .limit_s = 300};
}

static int compile(void **state)
{
	(void)state;
	return regcomp(&expression, "login:", REG_EXTENDED | REG_NOSUB);
}

static int release(void **state)
{
	(void)state;
	regfree(&expression);
	return 0;
}

static void begin(struct judge *judge)
{
	const struct judge_rules rules = usual_rules();
	judge_init(judge, &rules);
}

static void expect_failure(const struct judge *judge, const char *part)
{
	assert_int_equal(judge->judgement, JUDGE_FAILED);
	if (!strstr(judge->reason, part))
		fail_msg("'%s' does not say '%s'", judge->reason, part);
}

/* ---- signs of life ---- */

static void the_agent_is_a_sign(void **state)
{
	(void)state;
	struct judge judge;
	begin(&judge);
	judge_agent(&judge, 7 * S);
	assert_int_equal(judge.judgement, JUDGE_READY);
	assert_int_equal(judge.sign, RECEIPT_AGENT);
	assert_int_equal(judge.at_ns, 7 * S);
	judge_line(&judge, RUN_CONSOLE, "Kernel panic - not syncing: later", true, 8 * S);
	assert_int_equal(judge.judgement, JUDGE_READY);
}

static void a_login_prompt_is_a_sign(void **state)
{
	(void)state;
	struct judge judge;
	begin(&judge);
	judge_line(&judge, RUN_CONSOLE, "Debian GNU/Linux 12", true, S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	judge_line(&judge, RUN_FIRMWARE, "web01 login: ", true, S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	judge_line(&judge, RUN_CONSOLE, "web01 log", false, S);
	judge_line(&judge, RUN_CONSOLE, "web01 login: ", false, 2 * S);
	assert_int_equal(judge.judgement, JUDGE_READY);
	assert_int_equal(judge.sign, RECEIPT_CONSOLE);
	assert_string_equal(judge.reason, "the console said 'web01 login:'");
}

static void what_does_not_count_is_no_sign(void **state)
{
	(void)state;
	struct judge judge;
	struct judge_rules rules = usual_rules();
	rules.agent_counts = false;
	judge_init(&judge, &rules);
	judge_agent(&judge, S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	rules = usual_rules();
	rules.console_counts = false;
	judge_init(&judge, &rules);
	judge_line(&judge, RUN_CONSOLE, "login:", true, S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
}

/* ---- failures by what is said ---- */

static void each_failure_is_told_from_the_others(void **state)
{
	static const struct {
		const char *line, *reason;
		enum run_voice voice;
		bool whole;
	} rows[] = {
		{"No bootable device.", "no disk of the machine can be booted", RUN_FIRMWARE, true},
		{"BdsDxe: No bootable option or device was found.", "no disk of the machine", RUN_CONSOLE, true},
		{"grub rescue> ", "the boot loader is damaged", RUN_CONSOLE, false},
		{"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs",
		 "the kernel panicked (the console says 'Kernel panic - not syncing: VFS: Unable to mount root fs')",
		 RUN_CONSOLE, true},
		{"(initramfs) ", "did not find its root file system", RUN_CONSOLE, false},
		{"You are in emergency mode. After logging in, type", "emergency mode", RUN_CONSOLE, true},
		{"Please unlock disk cryptroot: ", "password of an encrypted disk", RUN_CONSOLE, false},
		{"Please enter passphrase for disk VBOX (luks): ", "password of an encrypted disk", RUN_CONSOLE, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct judge judge;
		begin(&judge);
		judge_line(&judge, rows[i].voice, rows[i].line, rows[i].whole, S);
		expect_failure(&judge, rows[i].reason);
	}
}

static void a_panic_is_quoted_whole(void **state)
{
	(void)state;
	struct judge judge;
	begin(&judge);
	judge_line(&judge, RUN_CONSOLE, "Kernel panic - not syn", false, S);
	judge_line(&judge, RUN_CONSOLE, "Kernel panic - not syncing: Att", false, S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	judge_line(&judge, RUN_CONSOLE, "Kernel panic - not syncing: Attempted to kill init!", true, S);
	expect_failure(&judge, "Attempted to kill init!'");
}

static void the_firmware_says_why(void **state)
{
	(void)state;
	struct judge judge;
	begin(&judge);
	judge_line(&judge, RUN_FIRMWARE, "Boot failed: not a bootable disk", true, S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	judge_line(&judge, RUN_FIRMWARE, "No bootable device.", true, S);
	expect_failure(&judge, "'Boot failed: not a bootable disk, No bootable device.'");
}

static void foreign_words_are_printable_in_reasons(void **state)
{
	(void)state;
	struct judge judge;
	begin(&judge);
	judge_line(&judge, RUN_CONSOLE, "Kernel panic - not syncing: \xc2\x9b[2J", true, S);
	for (const char *c = judge.reason; *c; c++)
		assert_in_range(*c, ' ', '~');
}

/* ---- failures by what happens ---- */

static void restarts_are_a_loop_at_the_third(void **state)
{
	(void)state;
	struct judge judge;
	struct run_state run = {.restarts = 2};
	begin(&judge);
	judge_state(&judge, &run, 20 * S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	run.restarts = 3;
	judge_state(&judge, &run, 30 * S);
	expect_failure(&judge, "restarts again and again: 3 times in 30 s");
}

static void beginnings_of_the_firmware_count_as_restarts(void **state)
{
	(void)state;
	struct judge judge;
	const struct run_state run = {0};
	begin(&judge);
	for (int i = 0; i < 3; i++)
		judge_line(&judge, RUN_FIRMWARE, "SeaBIOS (version 1.16.2-debian-1.16.2-1)", true, S);
	judge_state(&judge, &run, 2 * S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	judge_line(&judge, RUN_FIRMWARE, "SeaBIOS (version 1.16.2-debian-1.16.2-1)", true, S);
	judge_state(&judge, &run, 3 * S);
	expect_failure(&judge, "restarts again and again");
}

static void the_words_of_a_panic_may_come_later_than_its_signal(void **state)
{
	(void)state;
	struct judge judge;
	const struct run_state run = {.panicked = true};
	begin(&judge);
	judge_state(&judge, &run, 5 * S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	judge_line(&judge, RUN_CONSOLE, "Kernel panic - not syncing: words", true, 6 * S);
	expect_failure(&judge, "words");
	begin(&judge);
	judge_state(&judge, &run, 5 * S);
	judge_state(&judge, &run, 9 * S);
	expect_failure(&judge, "without a word on the console");
}

static void ends_are_told_apart(void **state)
{
	(void)state;
	struct judge judge;
	struct run_state run = {.end = RUN_POWERED_OFF};
	begin(&judge);
	judge_state(&judge, &run, 12 * S);
	expect_failure(&judge, "switched itself off after 12 s");
	begin(&judge);
	run.end = RUN_BROKE;
	judge_state(&judge, &run, S);
	assert_int_equal(judge.judgement, JUDGE_UNABLE);
	begin(&judge);
	run.end = RUN_KILLED;
	judge_state(&judge, &run, S);
	assert_int_equal(judge.judgement, JUDGE_UNABLE);
	begin(&judge);
	run = (struct run_state){.no_space = true};
	judge_state(&judge, &run, S);
	assert_int_equal(judge.judgement, JUDGE_UNABLE);
}

static void damage_is_the_repositorys(void **state)
{
	(void)state;
	struct judge judge;
	begin(&judge);
	judge_damage(&judge, "p/00: chunk 7 is not what it must be", S);
	assert_int_equal(judge.judgement, JUDGE_DAMAGED);
	assert_non_null(strstr(judge.reason, "p/00"));
}

/* ---- the screen ---- */

static struct picture new_picture(uint8_t shade)
{
	struct picture picture = {.width = 720, .height = 400, .rgb = malloc(720 * 400 * 3)};
	assert_non_null(picture.rgb);
	memset(picture.rgb, shade, 720 * 400 * 3);
	return picture;
}

static void show(struct judge *judge, uint8_t shade, uint64_t ns)
{
	struct picture picture = new_picture(shade);
	judge_picture(judge, &picture, ns);
	assert_null(picture.rgb);
}

static void a_stable_screen_counts_where_it_is_accepted(void **state)
{
	(void)state;
	struct judge judge;
	struct judge_rules rules = usual_rules();
	judge_init(&judge, &rules);
	show(&judge, 200, S);
	show(&judge, 200, 100 * S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	judge_release(&judge);

	rules.screen_counts = true;
	judge_init(&judge, &rules);
	show(&judge, 200, S);
	show(&judge, 100, 25 * S);
	show(&judge, 100, 50 * S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	show(&judge, 100, 55 * S);
	assert_int_equal(judge.judgement, JUDGE_READY);
	assert_int_equal(judge.sign, RECEIPT_SCREEN);
	judge_release(&judge);
}

static void a_black_screen_is_no_sign_and_is_told(void **state)
{
	(void)state;
	struct judge judge;
	struct judge_rules rules = usual_rules();
	rules.screen_counts = true;
	judge_init(&judge, &rules);
	show(&judge, 0, S);
	show(&judge, 0, 290 * S);
	judge_time(&judge, 299 * S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	judge_time(&judge, 300 * S);
	expect_failure(&judge, "the screen stayed black and the console silent for 300 s");
	judge_release(&judge);
}

static void read_screen(struct judge *judge, const char *text, uint64_t ns)
{
	char *copy = strdup(text);
	assert_non_null(copy);
	judge_screen_text(judge, copy, ns);
	free(copy);
}

static void failures_are_read_from_the_screen(void **state)
{
	(void)state;
	struct judge judge;
	begin(&judge);
	read_screen(&judge, "SeaBIOS\n\nMissing operating system\n\n\n", S);
	expect_failure(&judge, "the boot loader is damaged or does not find its parts (the screen says");
}

static void a_silent_boot_loader_is_waited_for_a_while(void **state)
{
	static const char text[] = "SeaBIOS\n\n\nBooting from Hard Disk...\n\n\n";
	(void)state;
	struct judge judge;
	begin(&judge);
	read_screen(&judge, text, 10 * S);
	read_screen(&judge, text, 60 * S);
	read_screen(&judge, "", 65 * S);
	read_screen(&judge, text, 70 * S);
	read_screen(&judge, text, 129 * S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
	read_screen(&judge, text, 130 * S);
	expect_failure(&judge, "the boot loader was started and got no further");
	begin(&judge);
	read_screen(&judge, "Booting from Hard Disk...\nGRUB \n", 10 * S);
	read_screen(&judge, "Booting from Hard Disk...\nGRUB \n", 70 * S);
	expect_failure(&judge, "the screen says 'GRUB' for 60 s");
	begin(&judge);
	judge_line(&judge, RUN_CONSOLE, "Linux version 6.1", true, S);
	read_screen(&judge, text, 10 * S);
	read_screen(&judge, text, 200 * S);
	assert_int_equal(judge.judgement, JUDGE_OPEN);
}

static void patience_ends_with_what_was_seen_last(void **state)
{
	(void)state;
	struct judge judge;
	begin(&judge);
	judge_line(&judge, RUN_CONSOLE, "Started something", true, S);
	judge_line(&judge, RUN_CONSOLE, "", true, S);
	judge_line(&judge, RUN_CONSOLE, "", true, S);
	read_screen(&judge, "Starting up\n\n", 2 * S);
	judge_time(&judge, 300 * S);
	expect_failure(&judge, "no answer of the guest agent, and nothing on the console like 'login:'; "
			       "the console said last: Started something; the screen says: Starting up; a slow");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_agent_is_a_sign),
		cmocka_unit_test(a_login_prompt_is_a_sign),
		cmocka_unit_test(what_does_not_count_is_no_sign),
		cmocka_unit_test(each_failure_is_told_from_the_others),
		cmocka_unit_test(a_panic_is_quoted_whole),
		cmocka_unit_test(the_firmware_says_why),
		cmocka_unit_test(foreign_words_are_printable_in_reasons),
		cmocka_unit_test(restarts_are_a_loop_at_the_third),
		cmocka_unit_test(beginnings_of_the_firmware_count_as_restarts),
		cmocka_unit_test(the_words_of_a_panic_may_come_later_than_its_signal),
		cmocka_unit_test(ends_are_told_apart),
		cmocka_unit_test(damage_is_the_repositorys),
		cmocka_unit_test(a_stable_screen_counts_where_it_is_accepted),
		cmocka_unit_test(a_black_screen_is_no_sign_and_is_told),
		cmocka_unit_test(failures_are_read_from_the_screen),
		cmocka_unit_test(a_silent_boot_loader_is_waited_for_a_while),
		cmocka_unit_test(patience_ends_with_what_was_seen_last),
	};
	return cmocka_run_group_tests(tests, compile, release);
}
