/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI is always on (SCI_EN): there is no other mode, and no SMI command to leave it by. The power button is the only
 * event, and line 9 is up while it is told and enabled.
 */
#include "hypervisor/thin/power.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/bus.h"

/* ACPI Specification 6.4, tables 4.11 to 4.13; offsets from POWER_PM1_EVENT. */
enum {
	STATUS = 0,
	ENABLE = 2,
	CONTROL = 4,
	TIMER = 8,
	BLOCK = 12,

	POWER_BUTTON = 0x0100,	  /* in status and enable */
	ENABLE_BITS = 0x0721,	  /* with those of events that never come: drivers look whether they stay */
	CONTROL_ENABLED = 0x0001, /* SCI_EN */
	CONTROL_BITS = 0x1c02,	  /* the sleep type and BM_RLD */
	CONTROL_SLEEP = 0x2000,
	SLEEP_TYPE_SHIFT = 10,
	SLEEP_TYPES = 7,
};

enum {
	PORT_92 = 0x92,
	PORT_92_RESET = 0x01,
	PORT_92_A20 = 0x02,
	KEYBOARD_COMMAND = 0x64,
	/* Commands 0xf0 to 0xff pulse lines of the keyboard controller: each clear bit its line. Bit 0 is the
	   processor's reset. */
	PULSE = 0xf0,
	PULSE_NO_RESET = 0x01,
};

#define TIMER_HZ 3579545U
#define SECOND UINT64_C(1000000000)

/* All that the guest can tell, with the clock. */
struct power_state {
	uint16_t status, enable, control;
	uint8_t port_92;
};

struct power {
	const struct board *board;
	uint64_t (*now_ns)(void);
	pthread_mutex_t lock; /* of all below */
	struct power_state state;
	bool level; /* of the interrupt line */
	bool misuse_told;
};

static void update_line(struct power *power)
{
	bool level = power->state.status & power->state.enable & POWER_BUTTON;
	if (level != power->level)
		board_set_line(power->board, LINE_ACPI, level);
	power->level = level;
}

static void tell_misuse(struct power *power, const char *sentence)
{
	const struct happenings *happenings = &power->board->happenings;
	if (!power->misuse_told)
		happenings->misuse(happenings->arg, sentence);
	power->misuse_told = true;
}

static void restart(struct power *power)
{
	power->board->happenings.restart(power->board->happenings.arg);
}

/* ---- ACPI ---- */

static uint32_t timer(const struct power *power)
{
	uint64_t ns = power->now_ns();
	return (uint32_t)(ns / SECOND * TIMER_HZ + ns % SECOND * TIMER_HZ / SECOND);
}

/* The registers as they lie behind their ports. */
static void show_block(const struct power *power, uint8_t ret[BLOCK])
{
	memset(ret, 0, BLOCK);
	bytes_store_le16(ret + STATUS, power->state.status);
	bytes_store_le16(ret + ENABLE, power->state.enable);
	bytes_store_le16(ret + CONTROL, power->state.control | CONTROL_ENABLED);
	bytes_store_le32(ret + TIMER, timer(power));
}

static uint64_t acpi_read(void *device, uint64_t offset, unsigned size)
{
	struct power *power = device;
	uint8_t block[BLOCK];
	uint64_t value = 0;
	pthread_mutex_lock(&power->lock);
	show_block(power, block);
	pthread_mutex_unlock(&power->lock);
	memcpy(&value, block + offset, size);
	return value;
}

static void sleep_now(struct power *power, uint16_t control)
{
	const struct happenings *happenings = &power->board->happenings;
	if ((control >> SLEEP_TYPE_SHIFT & SLEEP_TYPES) == POWER_S5)
		happenings->power_off(happenings->arg);
	else
		tell_misuse(power, "the guest asked ACPI for a sleep state that was not offered to it");
}

/* Each register keeps the bytes that were not written; of the status, what is written as one is cleared. */
static void acpi_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct power *power = device;
	struct power_state *state = &power->state;
	uint8_t block[BLOCK];
	pthread_mutex_lock(&power->lock);
	show_block(power, block);
	bytes_store_le16(block + STATUS, 0);
	memcpy(block + offset, &value, size);
	uint16_t control = bytes_load_le16(block + CONTROL);
	state->status &= (uint16_t)~bytes_load_le16(block + STATUS);
	state->enable = bytes_load_le16(block + ENABLE) & ENABLE_BITS;
	state->control = control & CONTROL_BITS;
	update_line(power);
	if (control & CONTROL_SLEEP)
		sleep_now(power, control);
	pthread_mutex_unlock(&power->lock);
}

static const struct bus_ops acpi_ops = {.read = acpi_read, .write = acpi_write};

/* ---- The older ways ---- */

static uint64_t port_92_read(void *device, uint64_t offset, unsigned size)
{
	struct power *power = device;
	(void)offset;
	(void)size;
	pthread_mutex_lock(&power->lock);
	uint8_t value = power->state.port_92;
	pthread_mutex_unlock(&power->lock);
	return value;
}

/* Line A20 is kept as it was written; the processor always has it. */
static void port_92_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct power *power = device;
	(void)offset;
	(void)size;
	pthread_mutex_lock(&power->lock);
	power->state.port_92 = value & PORT_92_A20;
	pthread_mutex_unlock(&power->lock);
	if (value & PORT_92_RESET)
		restart(power);
}

static const struct bus_ops port_92_ops = {.read = port_92_read, .write = port_92_write};

static void keyboard_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)offset;
	(void)size;
	if ((value & (PULSE | PULSE_NO_RESET)) == PULSE)
		restart(device);
}

static const struct bus_ops keyboard_ops = {.write = keyboard_write};

/* ---- Outside ---- */

static bool claim_ports(struct power *power, struct err **errp)
{
	const struct bus_region regions[] = {
		{.base = POWER_PM1_EVENT, .size = BLOCK, .ops = &acpi_ops, .device = power},
		{.base = PORT_92, .size = 1, .ops = &port_92_ops, .device = power},
		{.base = KEYBOARD_COMMAND, .size = 1, .ops = &keyboard_ops, .device = power},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(regions); i++)
		if (!bus_claim(power->board->ports, &regions[i], errp))
			return false;
	return true;
}

struct power *power_new(const struct board *board, uint64_t (*now_ns)(void), struct err **errp)
{
	AUTO(power_freep) struct power *power = calloc(1, sizeof(*power));
	if (!power) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&power->lock, NULL);
	power->board = board;
	power->now_ns = now_ns;
	power_reset(power);
	return claim_ports(power, errp) ? STEAL(&power) : NULL;
}

void power_free(struct power *power)
{
	if (!power)
		return;
	pthread_mutex_destroy(&power->lock);
	free(power);
}

void power_reset(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	power->state = (struct power_state){.port_92 = PORT_92_A20};
	update_line(power);
	pthread_mutex_unlock(&power->lock);
}

void power_press(struct power *power)
{
	pthread_mutex_lock(&power->lock);
	power->state.status |= POWER_BUTTON;
	update_line(power);
	pthread_mutex_unlock(&power->lock);
}
