/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM Generation ID (Microsoft, "Virtual Machine Generation ID", 2012): 16 random bytes in guest memory that are
 * others whenever the machine's past is not its own any more, as when it was restored. A guest then makes its random
 * numbers anew.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;
struct guest_memory;

enum { VM_GENERATION_SIZE = 16 };

/* Where it is, for ACPI. */
uint64_t vm_generation_address(const struct guest_memory *memory);
/* Puts a new one there; also after a reset of the machine, which may have cleared its memory. */
NODISCARD bool vm_generation_renew(struct guest_memory *memory, struct err **errp);
