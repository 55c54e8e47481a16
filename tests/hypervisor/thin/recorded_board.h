/* SPDX-License-Identifier: Apache-2.0 */
/* A board with real memory and real buses, whose chips and happenings are records of what devices asked for. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/thin/board.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/guest_memory.h"

struct recorded_board {
	struct board board;
	bool lines[16];
	unsigned edges[16]; /* how often each line went up */
	unsigned messages;
	uint64_t message_address;
	uint32_t message_data;
	unsigned power_offs, restarts, troubles, losses, misuses;
	char sentence[256]; /* the last trouble, loss or misuse */
};

/* Ends the process where there is no memory. */
struct recorded_board *recorded_board_new(uint64_t memory);
void recorded_board_free(struct recorded_board *record);
DEFINE_AUTO_FREE(struct recorded_board, recorded_board_free);

/* What a guest does at a port. */
uint64_t port_in(const struct recorded_board *record, uint16_t port, unsigned size);
void port_out(const struct recorded_board *record, uint16_t port, unsigned size, uint64_t value);

/*
 * A program for fuzzing, made of any bytes: each step is an access to one of the ports, of any size and value. `other`
 * is called for the steps that are none, with a number that the bytes say; it may be NULL.
 */
struct port_range {
	uint16_t first, last;
};
void run_program(const struct recorded_board *record, const struct port_range *ports, size_t n, const uint8_t *data,
		 size_t size, void (*other)(void *arg, uint32_t number), void *arg);
