/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who answers at which address. A machine has two: I/O ports, and memory that is not RAM. Regions never overlap; where
 * nobody answers a read gives all ones, and a write goes nowhere, as on a PC.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct bus;
struct err;

/*
 * offset counts from the region's base. size is 1, 2, 4 or 8 bytes, and the access lies in the region; one that only
 * begins there never arrives. Called by any vCPU thread, by several at once: a device locks what it shares.
 */
struct bus_ops {
	uint64_t (*read)(void *device, uint64_t offset, unsigned size);
	void (*write)(void *device, uint64_t offset, unsigned size, uint64_t value);
};

struct bus_region {
	uint64_t base, size;
	const struct bus_ops *ops;
	void *device;
};

NODISCARD struct bus *bus_new(struct err **errp);
void bus_free(struct bus *bus);
DEFINE_AUTO_FREE(struct bus, bus_free);
/* ERR_EXISTS where it would overlap another. The region is copied; the device lives until it is withdrawn or the bus
 * goes. */
NODISCARD bool bus_claim(struct bus *bus, const struct bus_region *region, struct err **errp);
/* Behind it no access is on its way any more, so it must not be called from one of the region itself. */
void bus_withdraw(struct bus *bus, uint64_t base);
uint64_t bus_read(struct bus *bus, uint64_t address, unsigned size);
void bus_write(struct bus *bus, uint64_t address, unsigned size, uint64_t value);
