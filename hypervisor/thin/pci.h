/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One PCI bus with configuration mechanism #1 (PCI Local Bus Specification 3.0, section 3.2.2.3.2: ports 0xcf8 and
 * 0xcfc), a host bridge at 00.0 that SeaBIOS takes for QEMU's, and functions at the slots behind. Memory BARs of 32
 * bits alone; firmware gives them their addresses, and they answer where they lie in PCI's window. Port 0xcf9 lies
 * among these ports, and restarts the machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/thin/bus.h"

struct board;
struct err;
struct pci;

/* The command register, and its bit without which a function reaches no memory, nor sends messages (PCI Local Bus
 * Specification 3.0, section 6.2.2). */
#define PCI_COMMAND 0x04U
#define PCI_COMMAND_MASTER 0x0004U

#define PCI_BARS 6
#define PCI_CONFIG_SIZE 256
/* Where BARs may lie: told to the firmware by ACPI. */
#define PCI_WINDOW_BASE UINT32_C(0xc0000000)
#define PCI_WINDOW_END UINT32_C(0xfec00000)

struct pci_bar {
	uint32_t size; /* a power of two of at least 4096; 0: there is none */
	const struct bus_ops *ops;
};

/* What a device describes of itself. The PCI bus serves configuration space from it, and calls the device where it has
 * a say. */
struct pci_function {
	uint8_t config[PCI_CONFIG_SIZE];   /* as it is at reset */
	uint8_t writable[PCI_CONFIG_SIZE]; /* bits that the guest may change beside those that the bus knows itself */
	struct pci_bar bars[PCI_BARS];
	void *device; /* handed to bars' ops and to the calls below */
	/* Any of them may be NULL. All are called with the bus's lock held, one at a time. */
	/* What the guest shall see instead of what is stored. */
	uint32_t (*read)(void *device, unsigned offset, unsigned size, uint32_t stored);
	/* config holds it already. */
	void (*written)(void *device, unsigned offset, unsigned size, uint32_t value);
	/* The BAR is decoded there from now on, or (there is false) at that address no more. */
	void (*moved)(void *device, unsigned bar, bool there, uint64_t address);
};

NODISCARD struct pci *pci_new(const struct board *board, struct err **errp);
void pci_free(struct pci *pci);
DEFINE_AUTO_FREE(struct pci, pci_free);
/* At the next free slot (00:01.0 …). The function is borrowed until the bus goes: its config is the live one. */
NODISCARD bool pci_add(struct pci *pci, struct pci_function *function, struct err **errp);
/* Writes config of a function at offset, little-endian; for devices that change their own. Takes no lock: from a call
 * of the bus, or where the device itself sees to it that the guest cannot tell. */
void pci_set16(struct pci_function *function, unsigned offset, uint16_t value);
void pci_set32(struct pci_function *function, unsigned offset, uint32_t value);
/* The slot of a function: the 5 bits of a device number. */
unsigned pci_slot(const struct pci *pci, const struct pci_function *function);
/* All functions as at reset, nothing decoded. At a clean point. */
void pci_reset(struct pci *pci);
