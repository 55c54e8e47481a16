/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam for what is behind a guest's disk: a raw image or block device, or a point of a repository over NBD with a
 * local overlay that takes all writes. What was flushed is there after a crash of this process; what was written is
 * there for later reads.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"

struct disk;
struct err;

/* Called by one thread at a time. Ranges lie in the disk. All block until done. ERR_NO_SPACE and ERR_GONE mean: it may
 * succeed when a person has helped; everything else is the guest's I/O error.
 *
 * So a full disk of the host's is ERR_NO_SPACE wherever what was to be written is still in somebody's hands, the
 * guest's or ours, and can be written again. What the kernel had taken, and could not bring onto its medium, it
 * forgets: a second fdatasync() has nothing to write and says that all is well. That is an I/O error, for want of room,
 * too. */
struct disk_ops {
	bool (*read)(struct disk *disk, uint64_t offset, const struct iovec *to, int n, struct err **errp);
	bool (*write)(struct disk *disk, uint64_t offset, const struct iovec *from, int n, struct err **errp);
	/* Once the host could not bring onto its medium what it had taken, that is ERR_FAILED at once and for as long
	 * as the disk is open, also of each write behind it: the kernel tells it once, and forgets. */
	bool (*flush)(struct disk *disk, struct err **errp);
	/* The range need not be kept; what it reads as afterwards is anything. */
	bool (*discard)(struct disk *disk, uint64_t offset, uint64_t length, struct err **errp);
	/* Reads as zeros afterwards; may give up the room where unmap is set. */
	bool (*zero)(struct disk *disk, uint64_t offset, uint64_t length, bool unmap, struct err **errp);
	/* The descriptors it needs in jail; at most DISK_DESCRIPTORS. Returns how many. */
	size_t (*descriptors)(const struct disk *disk, int *ret);
	void (*free)(struct disk *disk);
};

#define DISK_DESCRIPTORS 4
#define DISK_SECTOR 512U

struct disk {
	const struct disk_ops *ops;
	const char *name; /* "vda" */
	uint64_t size;	  /* bytes, a multiple of DISK_SECTOR */
	bool read_only;
};

/* name is borrowed. ERR_BUSY where another machine has the image (locked as QEMU locks it); the message names the path.
 */
NODISCARD struct disk *disk_open_raw(const char *name, const char *path, bool read_only, struct err **errp);
/* Reads go to the NBD export until written here; the overlay is made when it is not there, and one that was made over
 * another export or size is refused. */
NODISCARD struct disk *disk_open_overlay(const char *name, const char *nbd_socket, const char *nbd_export,
					 const char *overlay, struct err **errp);
void disk_free(struct disk *disk);
DEFINE_AUTO_FREE(struct disk, disk_free);
