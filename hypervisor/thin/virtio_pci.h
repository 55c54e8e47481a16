/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio device on the PCI bus, as drivers of version 1 find it (Virtual I/O Device 1.1, section 4.1): BAR 0 has the
 * registers, BAR 1 the tables of MSI-X, and one vendor capability for each structure says where it is. There is no
 * legacy interface, and no INTx.
 */
#pragma once

#include "base/compiler.h"

struct board;
struct err;
struct pci;
struct virtio_device;
struct virtio_pci;

/* Puts the device on the bus. All of them are borrowed; the bus must go before this is freed, and this before its
 * device. */
NODISCARD struct virtio_pci *virtio_pci_new(const struct board *board, struct pci *pci, struct virtio_device *device,
					    struct err **errp);
void virtio_pci_free(struct virtio_pci *transport);
DEFINE_AUTO_FREE(struct virtio_pci, virtio_pci_free);
/* As at power-on, with its device; configuration space is the bus's own (pci_reset()). At a clean point. */
void virtio_pci_reset(struct virtio_pci *transport);
