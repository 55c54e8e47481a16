/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Years are counted from March on, so that the leap day is the last of its year, and days from 1 March of the year 0.
 * From there on a month begins on day (153 m + 2) / 5 of its year, where m is 0 for March.
 */
#include "hypervisor/thin/calendar.h"

enum {
	DAY = 86400,
	YEAR_DAYS = 365,
	FOUR_YEARS = 4 * YEAR_DAYS + 1,
	CENTURY = 25 * FOUR_YEARS - 1,
	FOUR_CENTURIES = 4 * CENTURY + 1,
	DAYS_TO_1970 = 719468,
	EPOCH_WEEKDAY = 4, /* a Thursday */
};

static uint64_t days_to(uint64_t year, unsigned month)
{
	uint64_t from_march = month < 3 ? year - 1 : year, m = (month + 9) % 12;
	return from_march * YEAR_DAYS + from_march / 4 - from_march / 100 + from_march / 400 + (153 * m + 2) / 5;
}

static void set_date(struct calendar *time, uint64_t days)
{
	uint64_t cycle = days / FOUR_CENTURIES, of_cycle = days % FOUR_CENTURIES;
	/* Without the leap days that went by. */
	uint64_t year =
		(of_cycle - of_cycle / (FOUR_YEARS - 1) + of_cycle / CENTURY - of_cycle / (FOUR_CENTURIES - 1)) /
		YEAR_DAYS;
	uint64_t of_year = of_cycle - (YEAR_DAYS * year + year / 4 - year / 100);
	uint64_t m = (5 * of_year + 2) / 153;
	time->day = (unsigned)(of_year - (153 * m + 2) / 5 + 1);
	time->month = (unsigned)(m < 10 ? m + 3 : m - 9);
	time->year = (unsigned)(cycle * 400 + year + (time->month < 3 ? 1 : 0));
}

struct calendar calendar_of(uint64_t seconds)
{
	uint64_t days = seconds / DAY, of_day = seconds % DAY;
	struct calendar time = {.weekday = (unsigned)((days + EPOCH_WEEKDAY) % 7),
				.hour = (unsigned)(of_day / 3600),
				.minute = (unsigned)(of_day / 60 % 60),
				.second = (unsigned)(of_day % 60)};
	set_date(&time, days + DAYS_TO_1970);
	return time;
}

bool calendar_seconds(const struct calendar *time, uint64_t *ret)
{
	if (time->year < 1970 || time->month < 1 || time->month > 12 || time->day < 1 || time->day > 31 ||
	    time->hour > 23 || time->minute > 59 || time->second > 59)
		return false;
	uint64_t days = days_to(time->year, time->month) + time->day - 1 - DAYS_TO_1970;
	*ret = days * DAY + time->hour * 3600U + time->minute * 60U + time->second;
	return true;
}
