/* SPDX-License-Identifier: Apache-2.0 */
/* Any accesses to what switches a machine off, while somebody presses the button. */
#include <stdlib.h>

#include "base/err.h"
#include "hypervisor/thin/power.h"
#include "tests/hypervisor/thin/recorded_board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t now;

static uint64_t fake_now(void)
{
	return now;
}

static void press_later(void *arg, uint32_t number)
{
	now += number;
	power_press(arg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_range ports[] = {{POWER_PM1_EVENT, POWER_PM1_EVENT + 11}, {0x60, 0x64}, {0x92, 0x92}};
	AUTO(err_freep) struct err *err = NULL;
	AUTO(recorded_board_freep) struct recorded_board *record = recorded_board_new(1 << 20);
	AUTO(power_freep) struct power *power = power_new(&record->board, fake_now, &err);
	if (!power)
		return 0;
	run_program(record, ports, ARRAY_LENGTH(ports), data, size, press_later, power);
	if (record->misuses > 1)
		abort();
	power_reset(power);
	if (record->lines[LINE_ACPI])
		abort();
	return 0;
}
