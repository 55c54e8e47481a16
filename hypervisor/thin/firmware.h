/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SeaBIOS. A PC's ROM ends at 4 GiB, where the first instruction is fetched, and its last 128 KiB are seen below 1 MiB,
 * too: there they are in RAM, which SeaBIOS writes to. So they are put there again at each reset of the machine.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/thin/guest_memory.h"

struct err;
struct firmware;

#define FIRMWARE_DEBIAN "/usr/share/seabios/bios-256k.bin"

/* Reads the whole image. ERR_CORRUPT for a size that no such image has, or what does not begin as a ROM does; errors
 * name the path. */
NODISCARD struct firmware *firmware_new(const char *path, struct err **errp);
void firmware_free(struct firmware *firmware);
DEFINE_AUTO_FREE(struct firmware, firmware_free);
/* The ROM below 4 GiB, for a read-only slot. Borrowed. */
struct guest_memory_part firmware_rom(const struct firmware *firmware);
/* Puts the copy below 1 MiB. At a clean point. */
void firmware_place(const struct firmware *firmware, struct guest_memory *memory);
