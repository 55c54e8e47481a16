/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Drivers expect a port 0 for the terminal, with queues 0 and 1, and a pair of control queues, 2 and 3, before the
 * queues of port 1, which is ours. Port 0 is never announced; what is said there is lost.
 *
 * What the device has to say by control messages is a set of flags, sent in the order of their bits as the driver
 * leaves buffers:
 *
 *	driver: DEVICE_READY ──► ADD;  driver: PORT_READY ──► NAME, OPEN;  driver: PORT_OPEN ──► the port is open, or
 * closed
 */
#include "hypervisor/thin/virtio_console.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/virtio.h"

/* Virtual I/O Device 1.1, sections 5.3.2 to 5.3.6. */
enum {
	TERMINAL_TO_GUEST = 0,
	TERMINAL_FROM_GUEST = 1,
	CONTROL_TO_GUEST = 2,
	CONTROL_FROM_GUEST = 3,
	PORT_TO_GUEST = 4,
	PORT_FROM_GUEST = 5,
	QUEUES = 6
};
#define FEATURE_MULTIPORT (UINT64_C(1) << 1)
enum { CONFIG_PORTS = 4, CONFIG_SIZE = 12 };
enum { PORT = 1, PORTS = 2, CONTROL_SIZE = 8, CONTROL_EVENT = 4, CONTROL_VALUE = 6 };
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, PORT_OPEN = 6, PORT_NAME = 7 };

enum { NAME_SIZE = 64, BUFFER_SIZE = 4096, WRITE_MAX = 1 << 20 };

/* What the driver is still to be told. */
enum { SAY_ADD = 1 << 0, SAY_NAME = 1 << 1, SAY_OPEN = 1 << 2, SAY_END = 1 << 3 };

struct virtio_console_state {
	unsigned to_say;
	bool open; /* by a program in the guest */
	size_t n_waiting;
	uint8_t waiting[BUFFER_SIZE]; /* for the guest's program to read */
};

struct virtio_console {
	struct virtio_device device;
	char name[NAME_SIZE];
	/* ---- with the device's lock held */
	virtio_console_heard *heard;
	void *heard_arg;
	struct virtio_console_state state;
};

static struct virtio_console *console_of(struct virtio_device *device)
{
	return (struct virtio_console *)device;
}

/* The next buffer that the driver has left in a queue; asks for a kick where there is none. */
static bool take_buffer(struct virtio_device *device, unsigned queue)
{
	if (!virtio_take(device, queue) && (!virtio_listen(device, queue) || !virtio_take(device, queue)))
		return false;
	if (device->chain.writable_bytes > 0)
		return true;
	virtio_break(device, "left a buffer that holds nothing");
	return false;
}

/* As much as goes into the buffer that was taken. */
static size_t put_bytes(struct virtio_device *device, unsigned queue, const uint8_t *data, size_t size)
{
	size_t room = device->chain.writable_bytes;
	size_t part = size < room ? size : room;
	virtqueue_chain_write(&device->chain, device->board->memory, 0, data, part);
	virtio_put(device, queue, (uint32_t)part);
	return part;
}

/* ---- Control messages to the driver */

static size_t make_message(const struct virtio_console *console, unsigned what, uint8_t ret[CONTROL_SIZE + NAME_SIZE])
{
	size_t length = what == SAY_NAME ? strlen(console->name) : 0;
	unsigned event = what == SAY_ADD ? PORT_ADD : what == SAY_NAME ? PORT_NAME : PORT_OPEN;
	bytes_store_le32(ret, PORT);
	bytes_store_le16(ret + CONTROL_EVENT, (uint16_t)event);
	bytes_store_le16(ret + CONTROL_VALUE, 1);
	memcpy(ret + CONTROL_SIZE, console->name, length);
	return CONTROL_SIZE + length;
}

static void say_control(struct virtio_console *console)
{
	uint8_t message[CONTROL_SIZE + NAME_SIZE];
	for (unsigned what = SAY_ADD; what < SAY_END; what <<= 1) {
		if (!(console->state.to_say & what))
			continue;
		if (!take_buffer(&console->device, CONTROL_TO_GUEST))
			return;
		size_t size = make_message(console, what, message);
		if (put_bytes(&console->device, CONTROL_TO_GUEST, message, size) < size)
			virtio_break(&console->device, "left a buffer that holds no control message");
		console->state.to_say &= ~what;
	}
}

/* ---- Control messages from the driver */

static void set_open(struct virtio_console *console, bool open)
{
	console->state.open = open;
	if (!open)
		console->state.n_waiting = 0; /* it was for the program that went away */
}

static bool hear_control(struct virtio_device *device, unsigned queue)
{
	struct virtio_console *console = console_of(device);
	uint8_t message[CONTROL_SIZE];
	if (device->chain.readable_bytes < CONTROL_SIZE) {
		virtio_break(device, "sent half a control message");
		return false;
	}
	virtqueue_chain_read(&device->chain, device->board->memory, 0, message, sizeof(message));
	bool ours = bytes_load_le32(message) == PORT, value = bytes_load_le16(message + CONTROL_VALUE);
	switch (bytes_load_le16(message + CONTROL_EVENT)) {
	case DEVICE_READY:
		console->state.to_say |= value ? SAY_ADD : 0;
		break;
	case PORT_READY:
		console->state.to_say |= ours && value ? SAY_NAME | SAY_OPEN : 0;
		break;
	case PORT_OPEN:
		if (ours)
			set_open(console, value);
		break;
	}
	virtio_put(device, queue, 0);
	say_control(console);
	return true;
}

/* ---- Bytes of the port */

static void say_waiting(struct virtio_console *console)
{
	struct virtio_console_state *state = &console->state;
	while (state->n_waiting > 0 && take_buffer(&console->device, PORT_TO_GUEST)) {
		size_t n = put_bytes(&console->device, PORT_TO_GUEST, state->waiting, state->n_waiting);
		memmove(state->waiting, state->waiting + n, state->n_waiting - n);
		state->n_waiting -= n;
	}
}

/* In pieces, copied: who hears them must not see them change. */
static bool hear_port(struct virtio_device *device, unsigned queue)
{
	struct virtio_console *console = console_of(device);
	uint32_t size = device->chain.readable_bytes;
	uint8_t piece[BUFFER_SIZE];
	if (size > WRITE_MAX) {
		virtio_break(device, "wrote more at once than a port takes");
		return false;
	}
	for (uint32_t at = 0, n; console->heard && at < size; at += n) {
		n = size - at < sizeof(piece) ? size - at : (uint32_t)sizeof(piece);
		virtqueue_chain_read(&device->chain, device->board->memory, at, piece, n);
		console->heard(console->heard_arg, piece, n);
	}
	virtio_put(device, queue, 0);
	return true;
}

static bool lose(struct virtio_device *device, unsigned queue)
{
	virtio_put(device, queue, 0);
	return true;
}

static void serve(struct virtio_device *device, unsigned queue)
{
	switch (queue) {
	case TERMINAL_FROM_GUEST:
		virtio_drain(device, queue, lose);
		return;
	case CONTROL_TO_GUEST:
		say_control(console_of(device));
		return;
	case CONTROL_FROM_GUEST:
		virtio_drain(device, queue, hear_control);
		return;
	case PORT_TO_GUEST:
		say_waiting(console_of(device));
		return;
	case PORT_FROM_GUEST:
		virtio_drain(device, queue, hear_port);
		return;
	}
}

static void reset(struct virtio_device *device)
{
	memset(&console_of(device)->state, 0, sizeof(struct virtio_console_state));
}

static const struct virtio_ops ops = {.serve = serve, .reset = reset};

/* ---- Life */

struct virtio_console *virtio_console_new(const struct board *board, const char *name, struct err **errp)
{
	AUTO(virtio_console_freep) struct virtio_console *console = calloc(1, sizeof(*console));
	uint8_t config[CONFIG_SIZE] = {0};
	if (!console) {
		err_set_no_memory(errp);
		return NULL;
	}
	assert(strlen(name) < sizeof(console->name));
	snprintf(console->name, sizeof(console->name), "%s", name);
	bytes_store_le32(config + CONFIG_PORTS, PORTS);
	struct virtio_kind kind = {.ops = &ops,
				   .type = VIRTIO_CONSOLE,
				   .name = "console",
				   .n_queues = QUEUES,
				   .features = FEATURE_MULTIPORT,
				   .config = config,
				   .config_size = sizeof(config)};
	return virtio_init(&console->device, board, &kind, errp) ? STEAL(&console) : NULL;
}

void virtio_console_free(struct virtio_console *console)
{
	if (!console)
		return;
	virtio_release(&console->device);
	free(console);
}

struct virtio_device *virtio_console_device(struct virtio_console *console)
{
	return &console->device;
}

void virtio_console_listen(struct virtio_console *console, virtio_console_heard *heard, void *arg)
{
	pthread_mutex_lock(&console->device.lock);
	console->heard = heard;
	console->heard_arg = arg;
	pthread_mutex_unlock(&console->device.lock);
}

size_t virtio_console_say(struct virtio_console *console, const uint8_t *data, size_t size)
{
	struct virtio_console_state *state = &console->state;
	pthread_mutex_lock(&console->device.lock);
	size_t room = state->open ? sizeof(state->waiting) - state->n_waiting : 0;
	size_t part = size < room ? size : room;
	memcpy(state->waiting + state->n_waiting, data, part);
	state->n_waiting += part;
	pthread_mutex_unlock(&console->device.lock);
	virtio_kick(&console->device, PORT_TO_GUEST);
	return part;
}
