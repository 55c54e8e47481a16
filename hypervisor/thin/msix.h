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

struct board;
struct err;
struct msix;
struct pci_function;

#define MSIX_BAR_SIZE 4096U
#define MSIX_VECTORS_MAX 64U
#define MSIX_CAPABILITY_SIZE 12U

NODISCARD struct msix *msix_new(const struct board *board, unsigned vectors, struct err **errp);
void msix_free(struct msix *msix);
DEFINE_AUTO_FREE(struct msix, msix_free);
/* Disabled, all vectors masked, nothing pending. */
void msix_reset(struct msix *msix);
/* Writes the capability at `offset` of the function's configuration space, with the one that follows at `next`. */
void msix_describe(const struct msix *msix, struct pci_function *function, unsigned bar, unsigned offset,
		   unsigned next);
/* Whether the function is a bus master: messages are writes to memory. As one that is masked, a message waits until it
 * is. At first it is; a reset changes nothing of it. */
void msix_set_master(struct msix *msix, bool master);
/* The message control register of the capability was written. */
void msix_control(struct msix *msix, uint16_t control);
/* Sends the vector's message, or leaves it pending while it is masked. A vector beyond the table, or one while MSI-X is
 * off, goes nowhere. */
void msix_raise(struct msix *msix, unsigned vector);
/* Its BAR, as in struct bus_ops. */
uint64_t msix_read(struct msix *msix, uint64_t offset, unsigned size);
void msix_write(struct msix *msix, uint64_t offset, unsigned size, uint64_t value);
