/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/virtio_pci.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/msix.h"
#include "hypervisor/thin/virtio_pci_internal.h"

enum { REGISTERS_BAR = 0, MSIX_BAR = 1 };

/* PCI configuration space: the capabilities (4.1.4) one behind the other. */
enum {
	VENDOR = 0x1af4,
	FIRST_DEVICE = 0x1040, /* + the type */
	SUBSYSTEM = 0x1100,
	REVISION = 1,
	STATUS_CAPABILITIES = 0x10,

	CAPABILITY_VENDOR = 0x09,
	CAPABILITY_SIZE = 16,
	CAPABILITY_BAR = 4,
	CAPABILITY_OFFSET = 8,
	CAPABILITY_LENGTH = 12,
	CAPABILITY_MORE = 16,
	KIND_COMMON = 1,
	KIND_KICKS = 2,
	KIND_ISR = 3,
	KIND_DEVICE = 4,
	KIND_WINDOW = 5,

	COMMON_CAP = 0x40,
	ISR_CAP = COMMON_CAP + CAPABILITY_SIZE,
	KICKS_CAP = ISR_CAP + CAPABILITY_SIZE,
	WINDOW_CAP = KICKS_CAP + CAPABILITY_SIZE + 4,
	WINDOW_DATA = WINDOW_CAP + CAPABILITY_MORE,
	MSIX_CAP = WINDOW_DATA + 4,
	DEVICE_CAP = MSIX_CAP + MSIX_CAPABILITY_SIZE,
	MSIX_CONTROL = MSIX_CAP + 2,
};

/* ---- Interrupts */

static void raise_used(void *arg, unsigned queue)
{
	struct virtio_pci *transport = arg;
	transport->state.isr |= ISR_QUEUE;
	msix_raise(transport->msix, transport->device->state.queues[queue].vector);
}

static void raise_changed(void *arg)
{
	struct virtio_pci *transport = arg;
	transport->state.isr |= ISR_CONFIG;
	msix_raise(transport->msix, transport->state.config_vector);
}

/* ---- BARs */

static uint64_t registers_read(void *device, uint64_t offset, unsigned size)
{
	return virtio_pci_registers_read(device, offset, size);
}

static void registers_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	virtio_pci_registers_write(device, offset, size, value);
}

static uint64_t msix_bar_read(void *device, uint64_t offset, unsigned size)
{
	struct virtio_pci *transport = device;
	return msix_read(transport->msix, offset, size);
}

static void msix_bar_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio_pci *transport = device;
	msix_write(transport->msix, offset, size, value);
}

static const struct bus_ops registers_ops = {.read = registers_read, .write = registers_write};
static const struct bus_ops msix_ops = {.read = msix_bar_read, .write = msix_bar_write};

/* ---- Kicks that do not leave KVM */

static void stop_ringing(struct virtio_pci *transport)
{
	const struct chips *chips = &transport->board->chips;
	for (unsigned i = 0; i < transport->device->n_queues; i++) {
		if (transport->rung[i])
			chips->ring_at(chips->arg, transport->address + KICKS_AT + (uint64_t)KICK_SIZE * i,
				       transport->device->kicks[i].fd, false);
		transport->rung[i] = false;
	}
}

static void moved(void *arg, unsigned bar, bool there, uint64_t address)
{
	struct virtio_pci *transport = arg;
	const struct chips *chips = &transport->board->chips;
	if (bar != REGISTERS_BAR)
		return;
	stop_ringing(transport);
	transport->address = address;
	for (unsigned i = 0; there && i < transport->device->n_queues; i++)
		transport->rung[i] = chips->ring_at(chips->arg, address + KICKS_AT + (uint64_t)KICK_SIZE * i,
						    transport->device->kicks[i].fd, true);
}

/* ---- PCI configuration space */

/* Section 4.1.4.7: a window by which firmware reaches a BAR without mapping it. The driver says where it looks. */
struct window {
	const struct bus_ops *ops;
	uint64_t offset;
	unsigned size;
};

static bool look_through(const struct virtio_pci *transport, struct window *ret)
{
	const uint8_t *capability = transport->function.config + WINDOW_CAP;
	unsigned bar = capability[CAPABILITY_BAR];
	uint32_t offset = bytes_load_le32(capability + CAPABILITY_OFFSET);
	uint32_t size = bytes_load_le32(capability + CAPABILITY_LENGTH);
	if (bar > MSIX_BAR || (size != 1 && size != 2 && size != 4) || offset % size != 0 ||
	    offset >= transport->function.bars[bar].size)
		return false;
	*ret = (struct window){.ops = transport->function.bars[bar].ops, .offset = offset, .size = size};
	return true;
}

static uint32_t config_read(void *arg, unsigned offset, unsigned size, uint32_t stored)
{
	struct virtio_pci *transport = arg;
	struct window window;
	if (offset != WINDOW_DATA || !look_through(transport, &window) || size < window.size)
		return stored;
	return (uint32_t)window.ops->read(transport, window.offset, window.size);
}

static bool touches(unsigned offset, unsigned size, unsigned field)
{
	return offset < field + 2 && offset + size > field;
}

/* Kernels take that bit away to be sure that a device of their predecessor writes nothing into their memory. */
static void set_master(struct virtio_pci *transport, bool master)
{
	pthread_mutex_lock(&transport->device->lock);
	virtio_let_reach_memory(transport->device, master);
	pthread_mutex_unlock(&transport->device->lock);
	msix_set_master(transport->msix, master);
}

static void config_written(void *arg, unsigned offset, unsigned size, uint32_t value)
{
	struct virtio_pci *transport = arg;
	struct window window;
	if (offset == WINDOW_DATA && look_through(transport, &window) && size >= window.size)
		window.ops->write(transport, window.offset, window.size, value);
	if (touches(offset, size, PCI_COMMAND))
		set_master(transport, bytes_load_le16(transport->function.config + PCI_COMMAND) & PCI_COMMAND_MASTER);
	if (touches(offset, size, MSIX_CONTROL))
		msix_control(transport->msix, bytes_load_le16(transport->function.config + MSIX_CONTROL));
}

static void describe_structure(struct pci_function *function, unsigned at, unsigned next, uint8_t kind, uint32_t offset,
			       uint32_t length)
{
	bool more = kind == KIND_KICKS || kind == KIND_WINDOW;
	uint8_t *capability = function->config + at;
	capability[0] = CAPABILITY_VENDOR;
	capability[1] = (uint8_t)next;
	capability[2] = CAPABILITY_SIZE + (more ? 4 : 0);
	capability[3] = kind;
	capability[CAPABILITY_BAR] = REGISTERS_BAR;
	bytes_store_le32(capability + CAPABILITY_OFFSET, offset);
	bytes_store_le32(capability + CAPABILITY_LENGTH, length);
}

static void describe_capabilities(struct virtio_pci *transport)
{
	struct pci_function *function = &transport->function;
	const struct virtio_device *device = transport->device;
	bool own = device->config_size > 0;
	describe_structure(function, COMMON_CAP, ISR_CAP, KIND_COMMON, COMMON_AT, COMMON_SIZE);
	describe_structure(function, ISR_CAP, KICKS_CAP, KIND_ISR, ISR_AT, ISR_SIZE);
	describe_structure(function, KICKS_CAP, WINDOW_CAP, KIND_KICKS, KICKS_AT, KICK_SIZE * device->n_queues);
	bytes_store_le32(function->config + KICKS_CAP + CAPABILITY_MORE, KICK_SIZE);
	describe_structure(function, WINDOW_CAP, MSIX_CAP, KIND_WINDOW, 0, 0);
	function->writable[WINDOW_CAP + CAPABILITY_BAR] = 0xff;
	memset(function->writable + WINDOW_CAP + CAPABILITY_OFFSET, 0xff, 12); /* offset, length, data */
	msix_describe(transport->msix, function, MSIX_BAR, MSIX_CAP, own ? DEVICE_CAP : 0);
	if (own)
		describe_structure(function, DEVICE_CAP, 0, KIND_DEVICE, DEVICE_AT, (uint32_t)device->config_size);
}

/* The class code: base class, subclass, and no programming interface. */
static uint16_t class_of(enum virtio_type type)
{
	switch (type) {
	case VIRTIO_NETWORK:
		return 0x0200; /* Ethernet */
	case VIRTIO_BLOCK:
		return 0x0180; /* other mass storage */
	case VIRTIO_CONSOLE:
		return 0x0780; /* other communication */
	case VIRTIO_RNG:
		return 0xff00; /* none of the known */
	}
	return 0xff00;
}

/* Sections 4.1.2 and 4.1.2.1. */
static void describe(struct virtio_pci *transport)
{
	struct pci_function *function = &transport->function;
	uint8_t *config = function->config;
	bytes_store_le16(config + 0x00, VENDOR);
	bytes_store_le16(config + 0x02, (uint16_t)(FIRST_DEVICE + transport->device->type));
	bytes_store_le16(config + 0x06, STATUS_CAPABILITIES);
	config[0x08] = REVISION;
	bytes_store_le16(config + 0x0a, class_of(transport->device->type));
	bytes_store_le16(config + 0x2c, VENDOR);
	bytes_store_le16(config + 0x2e, SUBSYSTEM);
	config[0x34] = COMMON_CAP;
	describe_capabilities(transport);
	function->bars[REGISTERS_BAR] = (struct pci_bar){.size = REGISTERS_SIZE, .ops = &registers_ops};
	function->bars[MSIX_BAR] = (struct pci_bar){.size = MSIX_BAR_SIZE, .ops = &msix_ops};
	function->device = transport;
	function->read = config_read;
	function->written = config_written;
	function->moved = moved;
}

/* ---- Life */

struct virtio_pci *virtio_pci_new(const struct board *board, struct pci *pci, struct virtio_device *device,
				  struct err **errp)
{
	AUTO(virtio_pci_freep) struct virtio_pci *transport = calloc(1, sizeof(*transport));
	if (!transport) {
		err_set_no_memory(errp);
		return NULL;
	}
	transport->board = board;
	transport->device = device;
	transport->msix = msix_new(board, device->n_queues + 1, errp); /* one a queue, and one for the configuration */
	if (!transport->msix)
		return NULL;
	virtio_pci_reset_state(transport);
	device->transport = (struct virtio_transport){.used = raise_used, .changed = raise_changed, .arg = transport};
	describe(transport);
	set_master(transport, false);
	return pci_add(pci, &transport->function, errp) ? STEAL(&transport) : NULL;
}

void virtio_pci_free(struct virtio_pci *transport)
{
	if (!transport)
		return;
	stop_ringing(transport);
	msix_free(transport->msix);
	free(transport);
}

void virtio_pci_reset(struct virtio_pci *transport)
{
	pthread_mutex_lock(&transport->device->lock);
	virtio_power_on(transport->device);
	virtio_pci_reset_state(transport);
	pthread_mutex_unlock(&transport->device->lock);
	msix_reset(transport->msix);
	set_master(transport, false);
}
