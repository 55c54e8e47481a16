/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file or block device that has a disk's bytes. Small requests go through the host's page cache, which collects
 * them; large ones that lie on pages, in the guest's memory and in the file, go past it (open(2), O_DIRECT), for a
 * guest has a cache of its own. The kernel keeps both ways in step, as long as it can write:
 *
 * - What the cache has changed in a range is on the medium before a request passes by it there, and what such a request
 *   writes is no longer in the cache as it was.
 * - What the kernel could not bring onto the medium it tells once, keeps in its cache until it needs the room, and
 * takes for written. From then on the file is `lost`: it is read through the cache alone, which may still have what was
 *   written, and no longer to be written, for a later flush would find nothing wrong. Before a request passes by the
 *   cache, the kernel is asked whether that has happened.
 *
 * Called by one thread at a time. All block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/compiler.h"

#define DISK_FILE_DESCRIPTORS 2

struct disk_file {
	int fd;	    /* -1: not open */
	int direct; /* the same file, past the page cache; -1: it offers no such way */
	bool lost;
};

/* Takes fd over. */
void disk_file_init(struct disk_file *file, int fd);
void disk_file_release(struct disk_file *file);
/* The descriptors it needs in jail. Returns how many. */
size_t disk_file_descriptors(const struct disk_file *file, int ret[DISK_FILE_DESCRIPTORS]);
/* As preadv(2) and pwritev(2), without EINTR. A write that fails may have found that the file is lost; its own bytes
 * are still the caller's. */
NODISCARD ssize_t disk_file_read(struct disk_file *file, const struct iovec *to, int n, uint64_t offset);
NODISCARD ssize_t disk_file_write(struct disk_file *file, const struct iovec *from, int n, uint64_t offset);
/* As fdatasync(2), without EINTR; what fails loses the file. */
NODISCARD int disk_file_sync(struct disk_file *file);
