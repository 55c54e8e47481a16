/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A BAR answers where its address is, once memory decoding is on in the command register and it lies whole in PCI's
 * window. After each write that could change that, decode() first withdraws what moved, and then claims what is to be
 * found: so the state follows from config alone, and two BARs that lay over each other for a moment both answer in the
 * end.
 *
 * Lock order: this bus's lock, then the one of the bus for MMIO, then a device's. An access to a BAR comes with the
 * second one held: nothing here is called from it, but for what takes no lock. And a device has let its own lock go
 * when a call of the bus returns, since what follows may wait for such an access.
 */
#include "hypervisor/thin/pci.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/board.h"

/* Section 6.1, figure 6-1, and what its registers are made of. */
enum {
	VENDOR = 0x00,
	DEVICE = 0x02,
	COMMAND_MEMORY = 0x0002,
	COMMAND_NO_INTX = 0x0400,
	CLASS = 0x0a,
	CACHE_LINE = 0x0c,
	BAR_0 = 0x10,
	BAR_END = 0x28,
	SUBSYSTEM_VENDOR = 0x2c,
	SUBSYSTEM = 0x2e,
	INTERRUPT_LINE = 0x3c,
};

/* The ports, seen from 0xcf8. */
enum {
	PORTS = 0xcf8,
	PORTS_SIZE = 8,
	PORT_ADDRESS = 0,
	PORT_RESET = 1, /* 0xcf9, a byte: the reset control register that ACPI names as well */
	PORT_DATA = 4,
	RESET_NOW = 4,
};

#define ADDRESS_ENABLE UINT32_C(0x80000000)
#define ADDRESS_WRITABLE UINT32_C(0xfffffffc)
/* Buses, functions and, in the reserved bits, registers from 256 on, as AMD's processors have them: there are none. */
#define ADDRESS_NOBODY UINT32_C(0x7fff0700)

enum { SLOTS = 32 };

/* With the live config of all functions, all that the guest can tell. */
struct pci_state {
	uint32_t address;
	uint8_t reset_control;
};

struct slot {
	struct pci_function *function;
	uint8_t at_reset[PCI_CONFIG_SIZE], writable[PCI_CONFIG_SIZE];
	uint64_t decoded[PCI_BARS]; /* where it answers; 0: nowhere */
};

struct pci {
	const struct board *board;
	pthread_mutex_t lock; /* of all below */
	struct pci_state state;
	struct slot slots[SLOTS];
	unsigned n;
	bool misuse_told;
	struct pci_function bridge;
};

/* ---- BARs ---- */

static uint64_t wanted_address(const struct pci_function *function, unsigned bar)
{
	uint64_t size = function->bars[bar].size;
	uint64_t address = bytes_load_le32(function->config + BAR_0 + 4 * bar);
	if (size == 0 || !(bytes_load_le16(function->config + PCI_COMMAND) & COMMAND_MEMORY))
		return 0;
	return address >= PCI_WINDOW_BASE && address + size <= PCI_WINDOW_END ? address : 0;
}

static void tell_moved(const struct pci_function *function, unsigned bar, bool there, uint64_t address)
{
	if (function->moved)
		function->moved(function->device, bar, there, address);
}

static void withdraw(struct pci *pci, struct slot *slot, unsigned bar)
{
	tell_moved(slot->function, bar, false, slot->decoded[bar]);
	bus_withdraw(pci->board->mmio, slot->decoded[bar]);
	slot->decoded[bar] = 0;
}

static void tell_misuse(struct pci *pci, const char *sentence)
{
	const struct happenings *happenings = &pci->board->happenings;
	if (!pci->misuse_told)
		happenings->misuse(happenings->arg, sentence);
	pci->misuse_told = true;
}

static void claim(struct pci *pci, struct slot *slot, unsigned bar, uint64_t address)
{
	AUTO(err_freep) struct err *err = NULL;
	struct pci_function *function = slot->function;
	struct bus_region region = {.base = address,
				    .size = function->bars[bar].size,
				    .ops = function->bars[bar].ops,
				    .device = function->device};
	if (!bus_claim(pci->board->mmio, &region, &err)) {
		err_prefix(&err, "PCI device 00:%02tx.0: the guest laid its BAR %u where it cannot answer",
			   slot - pci->slots, bar);
		tell_misuse(pci, err_message(err));
		return;
	}
	slot->decoded[bar] = address;
	tell_moved(function, bar, true, address);
}

static void decode(struct pci *pci)
{
	for (unsigned i = 0; i < pci->n * PCI_BARS; i++) {
		struct slot *slot = &pci->slots[i / PCI_BARS];
		uint64_t address = slot->decoded[i % PCI_BARS];
		if (address && address != wanted_address(slot->function, i % PCI_BARS))
			withdraw(pci, slot, i % PCI_BARS);
	}
	for (unsigned i = 0; i < pci->n * PCI_BARS; i++) {
		struct slot *slot = &pci->slots[i / PCI_BARS];
		uint64_t address = wanted_address(slot->function, i % PCI_BARS);
		if (address && !slot->decoded[i % PCI_BARS])
			claim(pci, slot, i % PCI_BARS, address);
	}
}

/* ---- Configuration space ---- */

/* Who the address names: bus, device and function, of which there is one bus and one function a device. */
static struct slot *selected(struct pci *pci)
{
	uint32_t address = pci->state.address;
	unsigned slot = address >> 11 & 0x1f;
	bool there = (address & ADDRESS_ENABLE) && (address & ADDRESS_NOBODY) == 0 && slot < pci->n;
	return there ? &pci->slots[slot] : NULL;
}

static uint32_t read_config(struct pci *pci, unsigned port, unsigned size)
{
	struct slot *slot = selected(pci);
	unsigned offset = (pci->state.address & 0xfc) + port;
	uint32_t stored = 0;
	if (!slot)
		return UINT32_MAX;
	for (unsigned i = size; i > 0; i--)
		stored = stored << 8 | slot->function->config[offset + i - 1];
	if (!slot->function->read)
		return stored;
	return slot->function->read(slot->function->device, offset, size, stored);
}

static bool touches(unsigned offset, unsigned size, unsigned first, unsigned end)
{
	return offset < end && offset + size > first;
}

static void write_config(struct pci *pci, unsigned port, unsigned size, uint32_t value)
{
	struct slot *slot = selected(pci);
	unsigned offset = (pci->state.address & 0xfc) + port;
	if (!slot)
		return;
	struct pci_function *function = slot->function;
	for (unsigned i = 0; i < size; i++) {
		uint8_t mask = slot->writable[offset + i], byte = (uint8_t)(value >> 8 * i);
		function->config[offset + i] = (uint8_t)((function->config[offset + i] & ~mask) | (byte & mask));
	}
	if (function->written)
		function->written(function->device, offset, size, value);
	if (touches(offset, size, PCI_COMMAND, PCI_COMMAND + 2) || touches(offset, size, BAR_0, BAR_END))
		decode(pci);
}

/* ---- Ports ---- */

static uint32_t read_port(struct pci *pci, uint64_t offset, unsigned size)
{
	if (offset >= PORT_DATA)
		return read_config(pci, (unsigned)offset - PORT_DATA, size);
	if (offset == PORT_ADDRESS && size == 4)
		return pci->state.address;
	return offset == PORT_RESET && size == 1 ? pci->state.reset_control : UINT32_MAX;
}

static uint64_t pci_read(void *device, uint64_t offset, unsigned size)
{
	struct pci *pci = device;
	pthread_mutex_lock(&pci->lock);
	uint32_t value = read_port(pci, offset, size);
	pthread_mutex_unlock(&pci->lock);
	return value;
}

static void write_port(struct pci *pci, uint64_t offset, unsigned size, uint32_t value)
{
	const struct happenings *happenings = &pci->board->happenings;
	if (offset >= PORT_DATA)
		write_config(pci, (unsigned)offset - PORT_DATA, size, value);
	else if (offset == PORT_ADDRESS && size == 4)
		pci->state.address = value & ADDRESS_WRITABLE;
	else if (offset == PORT_RESET && size == 1) {
		pci->state.reset_control = (uint8_t)(value & ~(uint32_t)RESET_NOW);
		if (value & RESET_NOW)
			happenings->restart(happenings->arg);
	}
}

static void pci_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	struct pci *pci = device;
	pthread_mutex_lock(&pci->lock);
	write_port(pci, offset, size, (uint32_t)value);
	pthread_mutex_unlock(&pci->lock);
}

static const struct bus_ops port_ops = {.read = pci_read, .write = pci_write};

/* ---- The bridge and the bus ---- */

/*
 * Firmware and kernels know this bridge, an Intel 82441FX as QEMU has it: SeaBIOS takes a machine for QEMU's by the
 * subsystem, and by the bridge's PAM registers it makes the memory below 1 MiB RAM, into which it then copies the rest
 * of itself. That memory is RAM whatever they say, so they only keep what is written.
 */
static void describe_bridge(struct pci_function *bridge)
{
	enum { PAM_0 = 0x59, PAM_6 = 0x5f };
	pci_set16(bridge, VENDOR, 0x8086);
	pci_set16(bridge, DEVICE, 0x1237);
	pci_set16(bridge, CLASS, 0x0600);
	pci_set16(bridge, SUBSYSTEM_VENDOR, 0x1af4);
	pci_set16(bridge, SUBSYSTEM, 0x1100);
	memset(bridge->writable + PAM_0, 0xff, PAM_6 - PAM_0 + 1);
}

struct pci *pci_new(const struct board *board, struct err **errp)
{
	AUTO(pci_freep) struct pci *pci = calloc(1, sizeof(*pci));
	if (!pci) {
		err_set_no_memory(errp);
		return NULL;
	}
	pthread_mutex_init(&pci->lock, NULL);
	pci->board = board;
	describe_bridge(&pci->bridge);
	struct bus_region ports = {.base = PORTS, .size = PORTS_SIZE, .ops = &port_ops, .device = pci};
	if (!pci_add(pci, &pci->bridge, errp) || !bus_claim(board->ports, &ports, errp))
		return NULL;
	return STEAL(&pci);
}

void pci_free(struct pci *pci)
{
	if (!pci)
		return;
	pthread_mutex_destroy(&pci->lock);
	free(pci);
}

/* What the guest may change: what the function says, and what is the same in all. */
static void find_writable(struct slot *slot)
{
	const struct pci_function *function = slot->function;
	memcpy(slot->writable, function->writable, sizeof(slot->writable));
	bytes_store_le16(slot->writable + PCI_COMMAND, COMMAND_MEMORY | PCI_COMMAND_MASTER | COMMAND_NO_INTX);
	slot->writable[CACHE_LINE] = slot->writable[INTERRUPT_LINE] = UINT8_MAX;
	for (unsigned i = 0; i < PCI_BARS; i++) {
		uint32_t size = function->bars[i].size;
		assert((size & (size - 1)) == 0 && (size == 0 || size >= 4096));
		bytes_store_le32(slot->writable + BAR_0 + 4 * i, size ? ~(size - 1) : 0);
	}
}

bool pci_add(struct pci *pci, struct pci_function *function, struct err **errp)
{
	if (pci->n == SLOTS)
		return err_set(errp, ERR_USAGE, "a machine has room for %d devices", SLOTS - 1);
	pthread_mutex_lock(&pci->lock);
	struct slot *slot = &pci->slots[pci->n++];
	slot->function = function;
	memcpy(slot->at_reset, function->config, sizeof(slot->at_reset));
	find_writable(slot);
	pthread_mutex_unlock(&pci->lock);
	return true;
}

void pci_set16(struct pci_function *function, unsigned offset, uint16_t value)
{
	assert(offset + 2 <= PCI_CONFIG_SIZE);
	bytes_store_le16(function->config + offset, value);
}

void pci_set32(struct pci_function *function, unsigned offset, uint32_t value)
{
	assert(offset + 4 <= PCI_CONFIG_SIZE);
	bytes_store_le32(function->config + offset, value);
}

unsigned pci_slot(const struct pci *pci, const struct pci_function *function)
{
	unsigned slot = 0;
	while (slot < pci->n && pci->slots[slot].function != function)
		slot++;
	assert(slot < pci->n);
	return slot;
}

void pci_reset(struct pci *pci)
{
	pthread_mutex_lock(&pci->lock);
	pci->state = (struct pci_state){0};
	for (unsigned i = 0; i < pci->n; i++)
		memcpy(pci->slots[i].function->config, pci->slots[i].at_reset, PCI_CONFIG_SIZE);
	decode(pci);
	pthread_mutex_unlock(&pci->lock);
}
