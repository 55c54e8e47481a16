/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Characters take no time here: what is written is sent at once, and what waits on the line fills the receive FIFO
 * whenever there is room. So the transmitter is empty unless nobody hears what was said, and a receive FIFO below its
 * trigger level has waited its four character times.
 *
 * The line interrupts while a cause is there that IER lets through, and OUT2 is on: on a PC that output switches the
 * interrupt. What is empty is told once: by the interrupt's being identified (IIR), or by the next character.
 */
#include "hypervisor/thin/serial.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/bus.h"

/* Section 8, table II: offset from the port; with DLAB the first two are the divisor. */
enum { DATA, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR, REGISTERS };

enum {
	IER_RECEIVED = 0x01,
	IER_EMPTY = 0x02,
	IER_LINE = 0x04,
	IER_MODEM = 0x08,
	IER_BITS = 0x0f,

	IIR_MODEM = 0x00,
	IIR_NONE = 0x01,
	IIR_EMPTY = 0x02,
	IIR_RECEIVED = 0x04,
	IIR_LINE = 0x06,
	IIR_TIMEOUT = 0x0c,
	IIR_FIFOS = 0xc0,

	FCR_ON = 0x01,
	FCR_CLEAR_RECEIVED = 0x02,
	FCR_BITS = 0xc9,

	LCR_DLAB = 0x80,

	MCR_OUT2 = 0x08,
	MCR_LOOP = 0x10,
	MCR_BITS = 0x1f,

	LSR_RECEIVED = 0x01,
	LSR_OVERRUN = 0x02,
	LSR_EMPTY = 0x60, /* holding register and shifter */

	MSR_RI = 0x40,
	MSR_LINES = 0xf0,
	MSR_TRAILING_RI = 0x04,
	MSR_THERE = 0xb0, /* a terminal is attached, and ready */

	FIFO = 16,
	DIVISOR_9600 = 12,
};

/* All that the guest can tell. */
struct serial_state {
	uint8_t ier, fcr, lcr, mcr, scr, divisor[2];
	uint8_t modem_changes; /* the low half of MSR */
	bool overrun, empty_untold;
	uint8_t fifo[FIFO], n_fifo;
};

struct ring {
	size_t first, n;
};

struct serial {
	const struct board *board;
	pthread_mutex_t lock; /* of all below */
	struct serial_state state;
	bool level; /* of the interrupt line */
	int said_fd;
	struct ring said_ring, typed_ring;
	uint8_t said[SERIAL_SAID], typed[SERIAL_TYPED];
};

/* ---- What the registers say ---- */

static bool has(const struct serial *serial, uint8_t ier)
{
	return serial->state.ier & ier;
}

/* A driver that saw the transmitter empty writes as many as the FIFO has. */
static bool is_empty(const struct serial *serial)
{
	return SERIAL_SAID - serial->said_ring.n >= FIFO;
}

static uint8_t cause(const struct serial *serial)
{
	static const uint8_t trigger[] = {1, 4, 8, 14};
	const struct serial_state *state = &serial->state;
	if (has(serial, IER_LINE) && state->overrun)
		return IIR_LINE;
	if (has(serial, IER_RECEIVED) && state->n_fifo > 0)
		return (state->fcr & FCR_ON) && state->n_fifo < trigger[state->fcr >> 6] ? IIR_TIMEOUT : IIR_RECEIVED;
	if (has(serial, IER_EMPTY) && state->empty_untold)
		return IIR_EMPTY;
	return has(serial, IER_MODEM) && state->modem_changes ? IIR_MODEM : IIR_NONE;
}

static uint8_t modem_lines(uint8_t mcr)
{
	if (!(mcr & MCR_LOOP))
		return MSR_THERE;
	/* In loopback DTR, RTS, OUT1 and OUT2 are seen as DSR, CTS, RI and DCD. */
	return (uint8_t)((mcr & 0x0c) << 4 | (mcr & 0x01) << 5 | (mcr & 0x02) << 3);
}

static uint8_t line_status(const struct serial *serial)
{
	const struct serial_state *state = &serial->state;
	return (uint8_t)((state->n_fifo > 0 ? LSR_RECEIVED : 0) | (state->overrun ? LSR_OVERRUN : 0) |
			 (is_empty(serial) ? LSR_EMPTY : 0));
}

static void update_line(struct serial *serial)
{
	bool through = (serial->state.mcr & (MCR_OUT2 | MCR_LOOP)) == MCR_OUT2;
	bool level = through && cause(serial) != IIR_NONE;
	if (level != serial->level)
		board_set_line(serial->board, LINE_SERIAL, level);
	serial->level = level;
}

/* ---- Characters ---- */

static void put(struct ring *ring, uint8_t *data, size_t capacity, uint8_t byte)
{
	data[(ring->first + ring->n++) % capacity] = byte;
}

static uint8_t take(struct ring *ring, const uint8_t *data, size_t capacity)
{
	uint8_t byte = data[ring->first];
	ring->first = (ring->first + 1) % capacity;
	ring->n--;
	return byte;
}

static unsigned fifo_depth(const struct serial *serial)
{
	return serial->state.fcr & FCR_ON ? FIFO : 1;
}

static void refill(struct serial *serial)
{
	struct serial_state *state = &serial->state;
	if (state->mcr & MCR_LOOP)
		return;
	while (state->n_fifo < fifo_depth(serial) && serial->typed_ring.n > 0)
		state->fifo[state->n_fifo++] = take(&serial->typed_ring, serial->typed, SERIAL_TYPED);
}

static uint8_t receive(struct serial *serial)
{
	struct serial_state *state = &serial->state;
	if (state->n_fifo == 0)
		return 0;
	uint8_t byte = state->fifo[0];
	memmove(state->fifo, state->fifo + 1, --state->n_fifo);
	refill(serial);
	return byte;
}

static void say(struct serial *serial, uint8_t byte)
{
	if (serial->said_ring.n == SERIAL_SAID)
		return;
	if (serial->said_ring.n == 0)
		(void)!eventfd_write(serial->said_fd, 1);
	put(&serial->said_ring, serial->said, SERIAL_SAID, byte);
}

static void loop_back(struct serial *serial, uint8_t byte)
{
	struct serial_state *state = &serial->state;
	if (state->n_fifo < fifo_depth(serial))
		state->fifo[state->n_fifo++] = byte;
	else
		state->overrun = true;
}

static void transmit(struct serial *serial, uint8_t byte)
{
	serial->state.empty_untold = false;
	update_line(serial); /* the line goes down before it comes up again: controllers want the edge */
	if (serial->state.mcr & MCR_LOOP)
		loop_back(serial, byte);
	else
		say(serial, byte);
	serial->state.empty_untold = is_empty(serial);
}

/* ---- Registers ---- */

static uint8_t identify(struct serial *serial)
{
	uint8_t found = cause(serial);
	if (found == IIR_EMPTY)
		serial->state.empty_untold = false;
	return (uint8_t)(found | (serial->state.fcr & FCR_ON ? IIR_FIFOS : 0));
}

static uint8_t read_line_status(struct serial *serial)
{
	uint8_t value = line_status(serial);
	serial->state.overrun = false;
	return value;
}

static uint8_t read_modem_status(struct serial *serial)
{
	uint8_t value = modem_lines(serial->state.mcr) | serial->state.modem_changes;
	serial->state.modem_changes = 0;
	return value;
}

static uint8_t read_register(struct serial *serial, uint64_t offset)
{
	struct serial_state *state = &serial->state;
	if (offset <= IER && (state->lcr & LCR_DLAB))
		return state->divisor[offset];
	switch (offset) {
	case DATA:
		return receive(serial);
	case IER:
		return state->ier;
	case IIR_FCR:
		return identify(serial);
	case LCR:
		return state->lcr;
	case MCR:
		return state->mcr;
	case LSR:
		return read_line_status(serial);
	case MSR:
		return read_modem_status(serial);
	default:
		return state->scr;
	}
}

static void write_ier(struct serial *serial, uint8_t value)
{
	if ((value & ~serial->state.ier & IER_EMPTY) && is_empty(serial))
		serial->state.empty_untold = true;
	serial->state.ier = value & IER_BITS;
}

static void write_fcr(struct serial *serial, uint8_t value)
{
	struct serial_state *state = &serial->state;
	if ((value & FCR_CLEAR_RECEIVED) || ((value ^ state->fcr) & FCR_ON))
		state->n_fifo = 0;
	state->fcr = value & FCR_ON ? value & FCR_BITS : 0;
	refill(serial);
}

static void write_mcr(struct serial *serial, uint8_t value)
{
	struct serial_state *state = &serial->state;
	uint8_t before = modem_lines(state->mcr), now = modem_lines(value);
	uint8_t changed = (before ^ now) & MSR_LINES;
	if (now & MSR_RI)
		changed &= (uint8_t)~MSR_RI; /* of the ring indicator the end alone is told */
	state->modem_changes |= changed >> 4;
	state->mcr = value & MCR_BITS;
	refill(serial);
}

static void write_register(struct serial *serial, uint64_t offset, uint8_t value)
{
	struct serial_state *state = &serial->state;
	if (offset <= IER && (state->lcr & LCR_DLAB))
		state->divisor[offset] = value;
	else if (offset == DATA)
		transmit(serial, value);
	else if (offset == IER)
		write_ier(serial, value);
	else if (offset == IIR_FCR)
		write_fcr(serial, value);
	else if (offset == LCR)
		state->lcr = value;
	else if (offset == MCR)
		write_mcr(serial, value);
	else if (offset == SCR)
		state->scr = value;
}

/* A wider access is one to each byte, as on a bus of 8 bits. */
static uint64_t serial_read(void *device, uint64_t offset, unsigned size)
{
	struct serial *serial = device;
	uint64_t value = 0;
	pthread_mutex_lock(&serial->lock);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)read_register(serial, offset + i) << 8 * i;
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
	return value;
}

static void serial_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct serial *serial = device;
	pthread_mutex_lock(&serial->lock);
	for (unsigned i = 0; i < size; i++)
		write_register(serial, offset + i, (uint8_t)(value >> 8 * i));
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

static const struct bus_ops ops = {.read = serial_read, .write = serial_write};

/* ---- Outside ---- */

struct serial *serial_new(const struct board *board, struct err **errp)
{
	AUTO(serial_freep) struct serial *serial = calloc(1, sizeof(*serial));
	if (!serial) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&serial->lock, NULL);
	serial->board = board;
	serial->said_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct bus_region region = {.base = SERIAL_PORT, .size = REGISTERS, .ops = &ops, .device = serial};
	if (serial->said_fd < 0) {
		err_set_errno(errp, errno, "make an event of the serial line");
		return NULL;
	}
	serial_reset(serial);
	return bus_claim(board->ports, &region, errp) ? STEAL(&serial) : NULL;
}

void serial_free(struct serial *serial)
{
	if (!serial)
		return;
	file_closep(&serial->said_fd);
	pthread_mutex_destroy(&serial->lock);
	free(serial);
}

void serial_reset(struct serial *serial)
{
	pthread_mutex_lock(&serial->lock);
	serial->state = (struct serial_state){.divisor = {DIVISOR_9600}};
	serial->typed_ring = (struct ring){0};
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
}

int serial_event_fd(const struct serial *serial)
{
	return serial->said_fd;
}

static void forget_event(struct serial *serial)
{
	eventfd_t count;
	(void)!eventfd_read(serial->said_fd, &count);
}

size_t serial_hear(struct serial *serial, uint8_t *data, size_t size)
{
	size_t n = 0;
	pthread_mutex_lock(&serial->lock);
	bool was_empty = is_empty(serial);
	for (; n < size && serial->said_ring.n > 0; n++)
		data[n] = take(&serial->said_ring, serial->said, SERIAL_SAID);
	if (serial->said_ring.n == 0)
		forget_event(serial);
	if (!was_empty && is_empty(serial))
		serial->state.empty_untold = true;
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
	return n;
}

size_t serial_type(struct serial *serial, const uint8_t *data, size_t size)
{
	size_t n = 0;
	pthread_mutex_lock(&serial->lock);
	for (; n < size && serial->typed_ring.n < SERIAL_TYPED; n++)
		put(&serial->typed_ring, serial->typed, SERIAL_TYPED, data[n]);
	refill(serial);
	update_line(serial);
	pthread_mutex_unlock(&serial->lock);
	return n;
}
