/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

enum { YEAR_MIN = 1970, YEAR_MAX = 2500 }; /* what fits into 64 bits of nanoseconds */

#define NS_PER_S UINT64_C(1000000000)

static uint64_t now(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_now_ns(void)
{
	return now(CLOCK_REALTIME);
}

uint64_t clock_monotonic_ns(void)
{
	return now(CLOCK_MONOTONIC);
}

char *clock_format(uint64_t ns, char text[CLOCK_TEXT_SIZE])
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return text;
}

/* What a text names: a moment, how long it lasts, and in which zone it was said. */
struct moment {
	struct tm tm;
	uint64_t fraction_ns, length_ns; /* length 0: a whole day, which need not have 24 hours */
	bool has_zone;
	int zone_minutes; /* east of UTC */
};

/* Exactly `digits` digits, with a value from min to max. */
static bool take_number(const char **at, int digits, int min, int max, int *ret)
{
	int value = 0;
	for (int i = 0; i < digits; i++) {
		if (!isdigit((unsigned char)(*at)[i]))
			return false;
		value = 10 * value + ((*at)[i] - '0');
	}
	*at += digits;
	*ret = value;
	return value >= min && value <= max;
}

static bool take_letter(const char **at, char letter)
{
	if (**at != letter)
		return false;
	(*at)++;
	return true;
}

static bool is_day_of_calendar(const struct tm *tm)
{
	struct tm copy = *tm;
	timegm(&copy);
	return copy.tm_mday == tm->tm_mday && copy.tm_mon == tm->tm_mon;
}

static bool take_date(const char **at, struct tm *tm)
{
	if (!take_number(at, 4, YEAR_MIN, YEAR_MAX, &tm->tm_year) || !take_letter(at, '-') ||
	    !take_number(at, 2, 1, 12, &tm->tm_mon) || !take_letter(at, '-') ||
	    !take_number(at, 2, 1, 31, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return is_day_of_calendar(tm);
}

/* Behind the point: up to nine digits, each making the moment ten times shorter. */
static bool take_fraction(const char **at, struct moment *moment)
{
	int digits = 0;
	for (; isdigit((unsigned char)**at) && digits < 9; digits++, (*at)++) {
		moment->length_ns /= 10;
		moment->fraction_ns += (uint64_t)(**at - '0') * moment->length_ns;
	}
	return digits > 0;
}

static bool take_time(const char **at, struct moment *moment)
{
	moment->length_ns = 60 * NS_PER_S;
	if (!take_number(at, 2, 0, 23, &moment->tm.tm_hour) || !take_letter(at, ':') ||
	    !take_number(at, 2, 0, 59, &moment->tm.tm_min))
		return false;
	if (!take_letter(at, ':'))
		return true;
	moment->length_ns = NS_PER_S;
	if (!take_number(at, 2, 0, 59, &moment->tm.tm_sec))
		return false;
	return !take_letter(at, '.') || take_fraction(at, moment);
}

static bool take_zone(const char **at, struct moment *moment)
{
	if (take_letter(at, 'Z') || take_letter(at, 'z')) {
		moment->has_zone = true;
		return true;
	}
	int sign = **at == '+' ? 1 : -1;
	if (!take_letter(at, '+') && !take_letter(at, '-'))
		return true;
	int hours, minutes;
	if (!take_number(at, 2, 0, 23, &hours) || !take_letter(at, ':') || !take_number(at, 2, 0, 59, &minutes))
		return false;
	moment->has_zone = true;
	moment->zone_minutes = sign * (60 * hours + minutes);
	return true;
}

static bool take_moment(const char **at, struct moment *moment)
{
	if (!take_date(at, &moment->tm))
		return false;
	if (!take_letter(at, 'T') && !take_letter(at, 't') && !take_letter(at, ' '))
		return true;
	return take_time(at, moment) && take_zone(at, moment);
}

static time_t seconds_of(const struct moment *moment)
{
	struct tm tm = moment->tm;
	tm.tm_isdst = -1;
	return moment->has_zone ? timegm(&tm) - 60 * moment->zone_minutes : mktime(&tm);
}

bool clock_parse(const char *text, uint64_t *ret_ns)
{
	struct moment moment = {0};
	if (!take_moment(&text, &moment) || *text != '\0')
		return false;
	if (moment.length_ns == 0)
		moment.tm.tm_mday++;
	time_t seconds = seconds_of(&moment);
	if (seconds <= 0)
		return false;
	*ret_ns = (uint64_t)seconds * NS_PER_S + moment.fraction_ns + moment.length_ns - 1;
	return true;
}
