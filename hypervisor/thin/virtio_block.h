/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk (Virtual I/O Device 1.1, section 5.2): reads, writes, flushes, discards, zeroes, and tells its name as the
 * serial number. One request is done at a time, in the device's worker, straight between the guest's memory and the
 * disk.
 *
 * A request for which the host has no room, or whose disk is gone, is held: it stays in the ring, happenings.trouble is
 * told, and it is tried again when the machine goes on (virtio_kick_all()).
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct board;
struct disk;
struct err;
struct virtio_block;
struct virtio_device;

/* Takes the disk over, also when it fails. */
NODISCARD struct virtio_block *virtio_block_new(const struct board *board, struct disk *disk, struct err **errp);
void virtio_block_free(struct virtio_block *block);
DEFINE_AUTO_FREE(struct virtio_block, virtio_block_free);
/* All that the guest has written is durable. At a clean point. */
NODISCARD bool virtio_block_flush(struct virtio_block *block, struct err **errp);
/* For its transport and its worker (JAIL_DISK). Borrowed. */
struct virtio_device *virtio_block_device(struct virtio_block *block);
