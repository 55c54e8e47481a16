/* SPDX-License-Identifier: Apache-2.0 */
/* Any accesses to PCI's ports, with two devices behind. */
#include <stdlib.h>

#include "base/err.h"
#include "hypervisor/thin/pci.h"
#include "tests/hypervisor/thin/recorded_board.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DEVICES = 2, BARS = 2 };

struct device {
	struct pci_function function;
	uint64_t there[BARS];
};

static uint64_t read_bar(void *device, uint64_t offset, unsigned size)
{
	(void)device;
	return offset + size;
}

static void write_bar(void *device, uint64_t offset, unsigned size, uint64_t value)
{
	(void)device;
	(void)offset;
	(void)size;
	(void)value;
}

static const struct bus_ops ops = {.read = read_bar, .write = write_bar};

/* What is told of a BAR fits together, and lies in the window. */
static void moved(void *arg, unsigned bar, bool there, uint64_t address)
{
	struct device *device = arg;
	if (bar >= BARS || address < PCI_WINDOW_BASE || address + device->function.bars[bar].size > PCI_WINDOW_END)
		abort();
	if (device->there[bar] != (there ? 0 : address))
		abort();
	device->there[bar] = there ? address : 0;
}

static void access_memory(void *arg, uint32_t number)
{
	struct recorded_board *record = arg;
	bus_read(record->board.mmio, number, 4);
	bus_write(record->board.mmio, number, 4, number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct port_range ports[] = {{0xcf8, 0xcff}, {0xcfc, 0xcff}, {0xcf8, 0xcf8}};
	AUTO(err_freep) struct err *err = NULL;
	AUTO(recorded_board_freep) struct recorded_board *record = recorded_board_new(1 << 20);
	AUTO(pci_freep) struct pci *pci = pci_new(&record->board, &err);
	struct device devices[DEVICES] = {0};
	for (unsigned i = 0; pci && i < DEVICES; i++) {
		struct pci_function *function = &devices[i].function;
		*function = (struct pci_function){
			.bars = {{16384, &ops}, {4096, &ops}}, .device = &devices[i], .moved = moved};
		if (!pci_add(pci, function, &err))
			abort();
	}
	if (!pci)
		return 0;
	run_program(record, ports, ARRAY_LENGTH(ports), data, size, access_memory, record);
	pci_reset(pci);
	for (unsigned i = 0; i < DEVICES * BARS; i++)
		if (devices[i / BARS].there[i % BARS] != 0)
			abort();
	return 0;
}
