/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message-signalled interrupts of one PCI function (PCI Local Bus Specification 3.0, section 6.8.2): a table of
 * vectors and their pending bits, in one BAR of MSIX_BAR_SIZE bytes. Thread-safe, with a lock of its own that is held
 * while a message is sent.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/thin/bus.h"

struct board;
struct err;
struct msix;
struct pci_function;

#define MSIX_BAR_SIZE 4096U
#define MSIX_VECTORS_MAX 64U
#define MSIX_CAPABILITY_SIZE 12U

/* The ops of its BAR; the device is the struct msix. */
extern const struct bus_ops msix_bar_ops;

NODISCARD struct msix *msix_new(const struct board *board, unsigned vectors, struct err **errp);
void msix_free(struct msix *msix);
DEFINE_AUTO_FREE(struct msix, msix_free);
/* Disabled, all vectors masked, nothing pending. */
void msix_reset(struct msix *msix);
/* Writes the capability at `offset` of the function's configuration space, with the one that follows at `next`. */
void msix_describe(const struct msix *msix, struct pci_function *function, unsigned bar, unsigned offset,
		   unsigned next);
/* The message control register of the capability was written. */
void msix_control(struct msix *msix, uint16_t control);
/* Sends the vector's message, or leaves it pending while it is masked. A vector beyond the table, or one while MSI-X is
 * off, goes nowhere. */
void msix_raise(struct msix *msix, unsigned vector);
