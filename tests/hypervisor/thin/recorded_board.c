/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hypervisor/thin/recorded_board.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/err.h"

static void set_line(void *arg, enum line line, bool level)
{
	struct recorded_board *record = arg;
	if (level && !record->lines[line])
		record->edges[line]++;
	record->lines[line] = level;
}

static void send_message(void *arg, uint64_t address, uint32_t data)
{
	struct recorded_board *record = arg;
	record->messages++;
	record->message_address = address;
	record->message_data = data;
}

static bool ring_at(void *arg, uint64_t address, int eventfd, bool on)
{
	(void)arg;
	(void)address;
	(void)eventfd;
	(void)on;
	return false;
}

static void power_off(void *arg)
{
	((struct recorded_board *)arg)->power_offs++;
}

static void restart(void *arg)
{
	((struct recorded_board *)arg)->restarts++;
}

static void trouble(void *arg, enum trouble kind, const char *sentence)
{
	(void)kind;
	struct recorded_board *record = arg;
	record->troubles++;
	snprintf(record->sentence, sizeof(record->sentence), "%s", sentence);
}

static void loss(void *arg, const char *sentence)
{
	struct recorded_board *record = arg;
	record->losses++;
	snprintf(record->sentence, sizeof(record->sentence), "%s", sentence);
}

static void misuse(void *arg, const char *sentence)
{
	struct recorded_board *record = arg;
	record->misuses++;
	snprintf(record->sentence, sizeof(record->sentence), "%s", sentence);
}

struct recorded_board *recorded_board_new(uint64_t memory)
{
	AUTO(err_freep) struct err *err = NULL;
	struct recorded_board *record = calloc(1, sizeof(*record));
	if (!record)
		abort();
	record->board.memory = guest_memory_new(memory, &err);
	record->board.ports = record->board.memory ? bus_new(&err) : NULL;
	record->board.mmio = record->board.ports ? bus_new(&err) : NULL;
	if (!record->board.mmio)
		abort();
	record->board.chips =
		(struct chips){.set_line = set_line, .send_message = send_message, .ring_at = ring_at, .arg = record};
	record->board.happenings = (struct happenings){.power_off = power_off,
						       .restart = restart,
						       .trouble = trouble,
						       .loss = loss,
						       .misuse = misuse,
						       .arg = record};
	return record;
}

void recorded_board_free(struct recorded_board *record)
{
	if (!record)
		return;
	bus_free(record->board.ports);
	bus_free(record->board.mmio);
	guest_memory_free(record->board.memory);
	free(record);
}

uint64_t port_in(const struct recorded_board *record, uint16_t port, unsigned size)
{
	return bus_read(record->board.ports, port, size);
}

void port_out(const struct recorded_board *record, uint16_t port, unsigned size, uint64_t value)
{
	bus_write(record->board.ports, port, size, value);
}

/* A step: what it is, which port, and what goes there. */
enum { STEP_WRITE = 0x01, STEP_SIZE_SHIFT = 1, STEP_SIZE = 3, STEP_RANGE_SHIFT = 3, STEP_RANGE = 7, STEP_OTHER = 0xc0 };

static void run_step(const struct recorded_board *record, const struct port_range *range, uint8_t step,
		     struct cursor *program)
{
	unsigned size = 1U << (step >> STEP_SIZE_SHIFT & STEP_SIZE);
	uint16_t span = (uint16_t)(range->last - range->first + 1);
	uint16_t port = (uint16_t)(range->first + cursor_u8(program) % span);
	uint64_t value = 0;
	if (!(step & STEP_WRITE)) {
		port_in(record, port, size);
		return;
	}
	cursor_copy(program, &value, size);
	port_out(record, port, size, value);
}

void run_program(const struct recorded_board *record, const struct port_range *ports, size_t n, const uint8_t *data,
		 size_t size, void (*other)(void *arg, uint32_t number), void *arg)
{
	struct cursor program;
	cursor_init(&program, SPAN(data, size));
	while (cursor_ok(&program) && program.left > 0) {
		uint8_t step = cursor_u8(&program);
		if ((step & STEP_OTHER) == STEP_OTHER && other)
			other(arg, cursor_u32(&program));
		else
			run_step(record, &ports[(step >> STEP_RANGE_SHIFT & STEP_RANGE) % n], step, &program);
	}
}
