/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest is told of where its memory lies, in the words of the BIOS call E820 (ACPI Specification 6.4,
 * section 15.1). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct guest_memory;

enum e820_type { E820_RAM = 1, E820_RESERVED = 2 };

struct e820_range {
	uint64_t address, size;
	enum e820_type type;
};

enum { E820_MAX = 8, E820_RANGE_SIZE = 20 };

/* The last page of RAM below 4 GiB is kept for vm_generation.h. */
uint64_t e820_reserved_page(const struct guest_memory *memory);
/* As firmware finds memory, which makes its own reservations below 1 MiB; returns how many, ascending. */
size_t e820_for_firmware(const struct guest_memory *memory, struct e820_range ret[E820_MAX]);
/* As a kernel finds memory that is started without firmware: what a PC has between 639 KiB and 1 MiB is reserved. */
size_t e820_for_kernel(const struct guest_memory *memory, struct e820_range ret[E820_MAX]);
/* Appends ranges as they lie in memory: E820_RANGE_SIZE bytes each. */
void e820_write(struct bytes *to, const struct e820_range *ranges, size_t n);
