/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Gregorian calendar in UTC, without the C library's: that one opens the file of the machine's time zone, even for
 * UTC, and who serves a guest can open nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct calendar {
	unsigned year, month, day; /* 2026, 1 to 12, 1 to 31 */
	unsigned weekday;	   /* 0 is Sunday */
	unsigned hour, minute, second;
};

/* Seconds since 1970. */
struct calendar calendar_of(uint64_t seconds);
/* False for what is before 1970 or no time; the weekday does not count. A day that its month does not have is one of
 * the next month. */
bool calendar_seconds(const struct calendar *time, uint64_t *ret);
