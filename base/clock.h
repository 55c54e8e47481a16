/* SPDX-License-Identifier: Apache-2.0 */
/* Time: realtime in nanoseconds since 1970 UTC, monotonic for durations, and RFC 3339 text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLOCK_TEXT_SIZE 32

uint64_t clock_now_ns(void);
uint64_t clock_monotonic_ns(void);
/* "2026-11-22T07:00:00Z", whole seconds; returns text. */
char *clock_format(uint64_t ns, char text[CLOCK_TEXT_SIZE]);
/*
 * RFC 3339 with or without zone (without: local time), also shortened to a date, minutes, or seconds;
 * 'T' or a blank between date and time. *ret_ns is the last nanosecond of what the text names, so that
 * "2026-11-22" includes the whole day. False when it is not a time.
 */
bool clock_parse(const char *text, uint64_t *ret_ns);
