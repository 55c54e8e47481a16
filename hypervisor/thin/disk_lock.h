/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk image is used by one machine at a time. QEMU sees to that with locks on single bytes of the image (its
 * block/file-posix.c): for each thing that it does with the image a shared lock on byte 100 + i, and for each that it
 * lets nobody else do one on byte 200 + i. Who finds another's lock on the byte that contradicts its own gives up. We
 * do the same, so QEMU and we refuse each other.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;

/* Held until the descriptor, and all copies of it, are closed. ERR_BUSY names the path. Does not wait. */
NODISCARD bool disk_lock(int fd, const char *path, bool read_only, struct err **errp);
