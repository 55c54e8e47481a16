/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's memory, and the only way by which this process writes into it.
 *
 * RAM lies from 0 to at most GUEST_MEMORY_LOW_END, and what is more from GUEST_MEMORY_HIGH on; between them are
 * devices.
 *
 * - Every range is checked, and a range lies in one part: no function touches a byte outside the guest's RAM.
 * - Every page that this process writes is marked, after the bytes are there. KVM's dirty log does not see these
 * writes.
 * - The guest changes its memory at any moment: what is decided upon is read once, into a variable of one's own.
 *
 * All functions but new and free may be called from several threads at once. None blocks, but for pages to be found.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

#define GUEST_MEMORY_LOW_END UINT64_C(0xc0000000) /* 3 GiB */
#define GUEST_MEMORY_HIGH UINT64_C(0x100000000)	  /* 4 GiB */
#define GUEST_PAGE 4096U

struct err;
struct guest_memory;

/* A run of RAM: guest-physical address, length, and where it is in this process. */
struct guest_memory_part {
	uint64_t address, size;
	uint8_t *host;
};

/* bytes is a multiple of GUEST_PAGE. It reads as zeros, and costs nothing until it is touched. */
NODISCARD struct guest_memory *guest_memory_new(uint64_t bytes, struct err **errp);
void guest_memory_free(struct guest_memory *memory);
DEFINE_AUTO_FREE(struct guest_memory, guest_memory_free);

uint64_t guest_memory_size(const struct guest_memory *memory);
/* One part, or two where there is RAM above 4 GiB. Borrowed: for KVM's memory slots. */
size_t guest_memory_parts(const struct guest_memory *memory, struct guest_memory_part ret[2]);

/* False where the range is not all RAM: then nothing was touched. */
NODISCARD bool guest_memory_read(const struct guest_memory *memory, uint64_t address, void *data, size_t size);
NODISCARD bool guest_memory_write(struct guest_memory *memory, uint64_t address, const void *data, size_t size);
/* Little-endian words of a ring: reads after the load see what the guest wrote before it (acquire), and what was
 * written before the store is seen by a guest that sees it (release). The address is even. */
NODISCARD bool guest_memory_load16(const struct guest_memory *memory, uint64_t address, uint16_t *ret);
NODISCARD bool guest_memory_store16(struct guest_memory *memory, uint64_t address, uint16_t value);

/*
 * For requests that move data without a copy: the place of a range in this process, borrowed until the memory goes.
 * What is written there is told by guest_memory_wrote() behind the last byte; NULL where the range is not all RAM.
 */
const uint8_t *guest_memory_for_reading(const struct guest_memory *memory, uint64_t address, size_t size);
uint8_t *guest_memory_for_writing(struct guest_memory *memory, uint64_t address, size_t size);
void guest_memory_wrote(struct guest_memory *memory, uint64_t address, size_t size);

/* Whether this process wrote to the page since the last call for it; and forgets it. */
bool guest_memory_take_written(struct guest_memory *memory, uint64_t page_address);
