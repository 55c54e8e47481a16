/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real-time clock and the CMOS memory around it: an MC146818 at ports 0x70 and 0x71 and line 8 (Motorola, MC146818
 * data sheet). Time is the host's in UTC, plus what the guest has set it forward or back. Periodic, alarm and update
 * interrupts come from a timer that the thread of the slow devices watches.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct board;
struct err;
struct rtc;

enum { RTC_PORT = 0x70, RTC_CENTURY = 0x32 /* where the century is: told by ACPI's FADT */ };

/* vcpus and the size of the board's memory go into the CMOS bytes by which firmware asks for them. now_ns is the time
 * of day in ns since 1970 UTC, as clock_now_ns(). */
NODISCARD struct rtc *rtc_new(const struct board *board, unsigned vcpus, uint64_t (*now_ns)(void), struct err **errp);
void rtc_free(struct rtc *rtc);
DEFINE_AUTO_FREE(struct rtc, rtc_free);
/* As after a reset of the machine: no interrupts. The time that the guest has set stays, as by a battery. At a clean
 * point. */
void rtc_reset(struct rtc *rtc);

/* Can be read when an interrupt is due; rtc_tick() then raises it, and reads it empty. Borrowed. */
int rtc_timer_fd(const struct rtc *rtc);
void rtc_tick(struct rtc *rtc);
