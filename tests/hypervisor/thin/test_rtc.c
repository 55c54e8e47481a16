/* SPDX-License-Identifier: Apache-2.0 */
/* The real-time clock: time in all its forms, setting it, and its three interrupts. */
#include "hypervisor/thin/rtc.h"

#include <string.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/err.h"
#include "hypervisor/thin/calendar.h"
#include "tests/hypervisor/thin/recorded_board.h"
#include "tests/unit.h"

enum { A = 10, B = 11, C = 12, D = 13, UPDATE = 0x10, ALARM = 0x20, PERIODIC = 0x40, SET = 0x80, USUAL = 2 };

#define SECOND UINT64_C(1000000000)
#define NOON UINT64_C(1795608000) /* 2026-11-25 12:00:00 UTC, a Wednesday */

static uint64_t now;

static uint64_t fake_now(void)
{
	return now;
}

struct bench {
	struct recorded_board *record;
	struct rtc *rtc;
};

static int set_up_with(void **state, uint64_t memory)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	now = NOON * SECOND;
	bench->record = recorded_board_new(memory);
	bench->rtc = rtc_new(&bench->record->board, 2, fake_now, &err);
	assert_non_null(bench->rtc);
	*state = bench;
	return 0;
}

static int set_up(void **state)
{
	return set_up_with(state, 32 << 20);
}

static int set_up_large(void **state)
{
	return set_up_with(state, UINT64_C(5) << 30);
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	rtc_free(bench->rtc);
	recorded_board_free(bench->record);
	free(bench);
	return 0;
}

static uint8_t in(const struct bench *bench, uint8_t index)
{
	port_out(bench->record, RTC_PORT, 1, index);
	return (uint8_t)port_in(bench->record, RTC_PORT + 1, 1);
}

static void out(const struct bench *bench, uint8_t index, uint8_t value)
{
	port_out(bench->record, RTC_PORT, 1, index);
	port_out(bench->record, RTC_PORT + 1, 1, value);
}

static uint64_t armed_for(const struct bench *bench)
{
	struct itimerspec spec;
	assert_int_equal(timerfd_gettime(rtc_timer_fd(bench->rtc), &spec), 0);
	return (uint64_t)spec.it_value.tv_sec * SECOND + (uint64_t)spec.it_value.tv_nsec;
}

static void assert_time(const struct bench *bench, const char *expected)
{
	char text[64];
	snprintf(text, sizeof(text), "%02x%02x-%02x-%02x (%x) %02x:%02x:%02x", in(bench, RTC_CENTURY), in(bench, 9),
		 in(bench, 8), in(bench, 7), in(bench, 6), in(bench, 4), in(bench, 2), in(bench, 0));
	assert_string_equal(text, expected);
}

static void it_has_the_host_s_time(void **state)
{
	struct bench *bench = *state;
	assert_time(bench, "2026-11-25 (4) 12:00:00");
	now += 59 * SECOND;
	assert_time(bench, "2026-11-25 (4) 12:00:59");
	now = UINT64_C(1709251199) * SECOND; /* a leap day's last second */
	assert_time(bench, "2024-02-29 (5) 23:59:59");
	assert_int_equal(in(bench, D), 0x80);
}

static void time_has_four_forms(void **state)
{
	struct bench *bench = *state;
	now += (11 * 3600 + 34 * 60) * SECOND;
	out(bench, B, 0);
	assert_int_equal(in(bench, 4), 0x91); /* 11 PM */
	out(bench, B, 4);
	assert_int_equal(in(bench, 4), 0x8b);
	assert_int_equal(in(bench, 2), 34);
	out(bench, B, 6);
	assert_int_equal(in(bench, 4), 23);
	now += 30 * 60 * SECOND;
	out(bench, B, 0);
	assert_int_equal(in(bench, 4), 0x12); /* midnight */
}

static void it_says_when_a_second_is_near(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(in(bench, A), 0x26);
	now += SECOND - 200000;
	assert_int_equal(in(bench, A), 0xa6);
	out(bench, B, USUAL | SET);
	assert_int_equal(in(bench, A), 0x26);
}

static void a_guest_sets_it(void **state)
{
	static const uint8_t values[][2] = {{0, 0x30}, {2, 0x59}, {4, 0x23},	      {7, 0x31},
					    {8, 0x12}, {9, 0x99}, {RTC_CENTURY, 0x19}};
	struct bench *bench = *state;
	out(bench, B, USUAL | SET);
	for (size_t i = 0; i < ARRAY_LENGTH(values); i++)
		out(bench, values[i][0], values[i][1]);
	now += 10 * SECOND;
	assert_int_equal(in(bench, 0), 0x30);
	out(bench, B, USUAL);
	assert_time(bench, "1999-12-31 (6) 23:59:30");
	now += SECOND / 2;
	assert_int_equal(in(bench, 0), 0x31);
	now += 29 * SECOND;
	assert_time(bench, "2000-01-01 (7) 00:00:00");
	rtc_reset(bench->rtc);
	assert_time(bench, "2000-01-01 (7) 00:00:00");
}

static void one_field_can_be_set_alone(void **state)
{
	struct bench *bench = *state;
	out(bench, 4, 0x07);
	assert_time(bench, "2026-11-25 (4) 07:00:00");
}

static void what_is_no_time_changes_nothing(void **state)
{
	static const uint8_t values[][2] = {{0, 0x60}, {2, 0x6a}, {4, 0x24},	      {7, 0x00},
					    {8, 0x13}, {9, 0xff}, {RTC_CENTURY, 0x99}};
	struct bench *bench = *state;
	for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
		out(bench, values[i][0], values[i][1]);
		assert_time(bench, "2026-11-25 (4) 12:00:00");
	}
}

static void each_second_interrupts(void **state)
{
	struct bench *bench = *state;
	out(bench, A, 0x20); /* without periods */
	assert_int_equal(armed_for(bench), 0);
	out(bench, B, USUAL | UPDATE);
	assert_in_range(armed_for(bench), 1, SECOND);
	rtc_tick(bench->rtc);
	assert_false(bench->record->lines[LINE_RTC]);
	now += SECOND;
	rtc_tick(bench->rtc);
	assert_true(bench->record->lines[LINE_RTC]);
	assert_int_equal(armed_for(bench), 0); /* until it is acknowledged */
	assert_int_equal(in(bench, C), 0x90);
	assert_false(bench->record->lines[LINE_RTC]);
	assert_int_not_equal(armed_for(bench), 0);
	assert_int_equal(in(bench, C), 0);
	out(bench, B, USUAL);
	assert_int_equal(armed_for(bench), 0);
	now += SECOND;
	assert_int_equal(in(bench, C), UPDATE); /* told, but interrupts nobody */
}

static void the_alarm_interrupts_at_its_time(void **state)
{
	struct bench *bench = *state;
	out(bench, A, 0x20);
	out(bench, 1, 0x05);
	out(bench, 3, 0x01);
	out(bench, 5, 0xff);
	out(bench, B, USUAL | ALARM);
	now += 64 * SECOND;
	rtc_tick(bench->rtc);
	assert_false(bench->record->lines[LINE_RTC]);
	now += SECOND;
	rtc_tick(bench->rtc);
	assert_true(bench->record->lines[LINE_RTC]);
	assert_int_equal(in(bench, C), 0xb0);
	now += 30 * 86400 * SECOND; /* one that was slept through is told, too */
	rtc_tick(bench->rtc);
	assert_int_equal(in(bench, C), 0xb0);
}

static void periods_interrupt(void **state)
{
	struct bench *bench = *state;
	out(bench, B, USUAL | PERIODIC);
	assert_in_range(armed_for(bench), 1, SECOND / 1024 + 1);
	now += SECOND / 1024 + 1;
	rtc_tick(bench->rtc);
	assert_true(bench->record->lines[LINE_RTC]);
	assert_int_equal(in(bench, C), 0xc0);
	out(bench, A, 0x2f); /* twice a second */
	now += SECOND / 4;
	rtc_tick(bench->rtc);
	assert_int_equal(in(bench, C), 0);
	now += SECOND / 4;
	rtc_tick(bench->rtc);
	assert_int_equal(in(bench, C), 0xc0);
	out(bench, A, 0x20); /* never */
	assert_int_equal(armed_for(bench), 0);
	out(bench, A, 0x66); /* the divider stands */
	assert_int_equal(armed_for(bench), 0);
	now += 5 * SECOND;
	assert_int_equal(in(bench, C), 0);
}

static void a_reset_ends_interrupts(void **state)
{
	struct bench *bench = *state;
	out(bench, 0x50, 0xaa);
	out(bench, B, USUAL | UPDATE);
	now += SECOND;
	rtc_tick(bench->rtc);
	rtc_reset(bench->rtc);
	assert_false(bench->record->lines[LINE_RTC]);
	assert_int_equal(armed_for(bench), 0);
	assert_int_equal(in(bench, B), USUAL);
	assert_int_equal(in(bench, 0x50), 0xaa);
}

static void firmware_finds_little_memory(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(in(bench, 0x17) | in(bench, 0x18) << 8, 31 << 10);
	assert_int_equal(in(bench, 0x30) | in(bench, 0x31) << 8, 31 << 10);
	assert_int_equal(in(bench, 0x34) | in(bench, 0x35) << 8, 256);
	assert_int_equal(in(bench, 0x5b) | in(bench, 0x5c) << 8 | in(bench, 0x5d) << 16, 0);
	assert_int_equal(in(bench, 0x5f), 1);
	assert_int_equal(in(bench, 0x3d), 2);
}

static void firmware_finds_much_memory(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(in(bench, 0x17) | in(bench, 0x18) << 8, 0xffff);
	assert_int_equal(in(bench, 0x34) | in(bench, 0x35) << 8, (3072 - 16) * 16);
	assert_int_equal(in(bench, 0x5b) | in(bench, 0x5c) << 8 | in(bench, 0x5d) << 16, 2048 * 16);
}

static void odd_accesses_are_nothing(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(port_in(bench->record, RTC_PORT, 1), 0xff);
	assert_int_equal(port_in(bench->record, RTC_PORT, 2), 0xffff);
	port_out(bench->record, RTC_PORT, 2, 0x0b0b);
	out(bench, C, 0xff);
	out(bench, D, 0);
	assert_int_equal(in(bench, C), 0);
	assert_int_equal(in(bench, D), 0x80);
	assert_int_equal(in(bench, 0x80 | D), 0x80); /* the top bit masks NMIs on a PC */
}

/* The C library's calendar is the other one that says what is right. */
static void the_calendar_is_the_c_library_s(void **state)
{
	uint64_t seconds = 0, back;
	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		time_t now_s = (time_t)seconds;
		struct tm tm;
		gmtime_r(&now_s, &tm);
		struct calendar time = calendar_of(seconds);
		assert_int_equal(time.year, tm.tm_year + 1900);
		assert_int_equal(time.month, tm.tm_mon + 1);
		assert_int_equal(time.day, tm.tm_mday);
		assert_int_equal(time.weekday, tm.tm_wday);
		assert_int_equal((time.hour * 60 + time.minute) * 60 + time.second, seconds % 86400);
		assert_true(calendar_seconds(&time, &back));
		assert_int_equal(back, seconds);
		seconds += 86399;
	}
	struct calendar late = {.year = 2023, .month = 2, .day = 31};
	assert_true(calendar_seconds(&late, &back));
	late = calendar_of(back);
	assert_int_equal(late.month, 3);
	assert_int_equal(late.day, 3);
	late.month = 13;
	assert_false(calendar_seconds(&late, &back));
	late = (struct calendar){.year = 1969, .month = 12, .day = 31};
	assert_false(calendar_seconds(&late, &back));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(it_has_the_host_s_time),
		T(time_has_four_forms),
		T(it_says_when_a_second_is_near),
		T(a_guest_sets_it),
		T(one_field_can_be_set_alone),
		T(what_is_no_time_changes_nothing),
		T(each_second_interrupts),
		T(the_alarm_interrupts_at_its_time),
		T(periods_interrupt),
		T(a_reset_ends_interrupts),
		T(firmware_finds_little_memory),
		cmocka_unit_test_setup_teardown(firmware_finds_much_memory, set_up_large, tear_down),
		T(odd_accesses_are_nothing),
		cmocka_unit_test(the_calendar_is_the_c_library_s),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
