/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device is plugged into, and all that it knows of the machine: memory, the two buses, how it interrupts, how it
 * is rung at, and whom it tells of trouble. The chips behind are KVM's in a machine (vm.h), and records of calls in
 * tests.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bus;
struct guest_memory;

/* Interrupt lines as a PC has them. */
enum line { LINE_SERIAL = 4, LINE_RTC = 8, LINE_ACPI = 9 };

struct chips {
	/* The level of a line of the interrupt controllers. From any thread. */
	void (*set_line)(void *arg, enum line line, bool level);
	/* A message-signalled interrupt, as MSI-X has them (PCI Local Bus Specification 3.0, section 6.8). From any
	 * thread. */
	void (*send_message)(void *arg, uint64_t address, uint32_t data);
	/* From now on (or no more) a write of any size to this address signals the eventfd and does not leave the
	 * guest. False where that cannot be had: the write then arrives at the bus, and the device signals its eventfd
	 * itself. */
	bool (*ring_at)(void *arg, uint64_t address, int eventfd, bool on);
	void *arg;
};

enum trouble {
	TROUBLE_HOST, /* it has no room, or no memory */
	TROUBLE_DISK, /* what serves a disk is away, and may come back by itself */
};

/* What happens to the whole machine. From any thread; they ask, and return at once. */
struct happenings {
	/* The guest switched itself off, or asked for a restart. */
	void (*power_off)(void *arg);
	void (*restart)(void *arg);
	/* A device cannot go on until a person has helped: the machine pauses, and the sentence is told, which ends
	 * with what that person is to do; how the machine then goes on is said behind it. Its request is tried again.
	 */
	void (*trouble)(void *arg, enum trouble trouble, const char *sentence);
	/* What a device needs is gone for as long as this process lives, and the machine runs on without. The sentence
	 * is told as trouble's is. */
	void (*loss)(void *arg, const char *sentence);
	/* The guest did what no driver does: told once a device, for the log. The device stays as its specification
	 * says. */
	void (*misuse)(void *arg, const char *sentence);
	void *arg;
};

struct board {
	struct guest_memory *memory;
	struct bus *ports, *mmio;
	struct chips chips;
	struct happenings happenings;
};

static inline void board_set_line(const struct board *board, enum line line, bool level)
{
	board->chips.set_line(board->chips.arg, line, level);
}

static inline void board_send_message(const struct board *board, uint64_t address, uint32_t data)
{
	board->chips.send_message(board->chips.arg, address, data);
}
