/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a machine is switched off, restarted, and asked to: the fixed hardware of ACPI (ACPI Specification 6.4,
 * section 4.8: PM1 event and control, PM timer, a power button that interrupts by line 9) and the three older ways in
 * which a PC is reset (ports 0x92 and 0x64; 0xcf9 lies among PCI's ports, see pci.h). There is no keyboard controller:
 * what is read at 0x60 and 0x64 is all ones, from which drivers tell that.
 *
 * The timer's overflow (TMR_STS) is never told: the counter has 32 bits, and who uses it compares.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct board;
struct err;
struct power;

/* Told to the guest by ACPI. */
enum {
	POWER_PM1_EVENT = 0x600, /* status and enable, 2 bytes each */
	POWER_PM1_CONTROL = 0x604,
	POWER_PM_TIMER = 0x608,
	POWER_S5 = 0, /* the sleep type of "off" */
	POWER_RESET = 0xcf9,
	POWER_RESET_VALUE = 6,
};

/* now_ns never goes back, as clock_monotonic_ns(). */
NODISCARD struct power *power_new(const struct board *board, uint64_t (*now_ns)(void), struct err **errp);
void power_free(struct power *power);
DEFINE_AUTO_FREE(struct power, power_free);
/* At a clean point. */
void power_reset(struct power *power);
/* A person presses the button. Any thread. */
void power_press(struct power *power);
