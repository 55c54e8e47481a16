/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The transport's two halves: virtio_pci.c has what PCI sees of it, virtio_pci_registers.c what is in BAR 0, four
 * structures with a page each, so that a kick leaves the guest at a page that nothing else is on.
 *
 *	0x0000  common configuration (Virtual I/O Device 1.1, 4.1.4.3)
 *	0x1000  ISR status (4.1.4.5)
 *	0x2000  the device's own configuration (4.1.4.6)
 *	0x3000  kicks (4.1.4.4): four bytes a queue. KVM signals the queue's eventfd where it can; else the write
 * arrives here
 *
 * Under the device's lock: state. Under the PCI bus's: address, rung.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/thin/pci.h"
#include "hypervisor/thin/virtio.h"

struct msix;

enum {
	COMMON_AT = 0x0000,
	ISR_AT = 0x1000,
	DEVICE_AT = 0x2000,
	KICKS_AT = 0x3000,
	REGISTERS_SIZE = 0x4000,
	COMMON_SIZE = 0x38,
	ISR_SIZE = 1,
	KICK_SIZE = 4,
	ISR_QUEUE = 1,
	ISR_CONFIG = 2,
};

/* All that the guest can see the effect of, beside the device's own state, MSI-X and configuration space. */
struct virtio_pci_state {
	uint32_t device_feature_select, driver_feature_select;
	uint16_t queue_select, config_vector;
	uint8_t isr;
};

struct virtio_pci {
	const struct board *board;
	struct virtio_device *device;
	struct msix *msix;
	struct pci_function function;
	struct virtio_pci_state state;
	uint64_t address; /* of BAR 0, where queues are rung */
	bool rung[VIRTIO_QUEUES_MAX];
};

/* BAR 0, as in struct bus_ops. */
uint64_t virtio_pci_registers_read(struct virtio_pci *transport, uint64_t offset, unsigned size);
void virtio_pci_registers_write(struct virtio_pci *transport, uint64_t offset, unsigned size, uint64_t value);
/* The transport's part of a reset. With the device's lock held. */
void virtio_pci_reset_state(struct virtio_pci *transport);
