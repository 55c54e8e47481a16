/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM Generation ID (Microsoft, "Virtual Machine Generation ID", 2012): 16 random bytes in guest memory that are
 * others whenever the machine's past is not its own any more, as when it was restored. A guest then makes its random
 * numbers anew. A restart is no such time.
 *
 * They are made once a process, before its guest runs, so no guest ever sees them change, and there is no event by
 * which it would be told (Notify (VGEN, 0x80)): it belongs to whoever first changes them below a guest that runs.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;
struct guest_memory;

struct vm_generation {
	uint8_t id[16];
};

NODISCARD bool vm_generation_make(struct vm_generation *ret, struct err **errp);
/* Where it is, for ACPI. */
uint64_t vm_generation_address(const struct guest_memory *memory);
/* Puts it there; at each reset of the machine, too, whose guest may have written there. */
void vm_generation_place(const struct vm_generation *generation, struct guest_memory *memory);
