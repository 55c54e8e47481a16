/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the fuzz targets of virtio's devices have in common: the input is the driver's memory, with all rings in it, and
 * the device serves what it finds there.
 *
 *	byte 0      bit 0: event indices; the other bits: which of the device's own features, from the lowest on
 *	from 1 on   guest memory from address 0 on: for queue i at i * VIRTIO_FUZZ_STEP descriptors, at + 0x80 the
 * available and at + 0xa0 the used ring, all for VIRTIO_FUZZ_SIZE entries; what else is there are buffers
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define VIRTIO_FUZZ_MEMORY 0x10000U
#define VIRTIO_FUZZ_STEP 0x100U
#define VIRTIO_FUZZ_SIZE 8

struct driver;

/* For an attached device, in a memory of VIRTIO_FUZZ_MEMORY bytes. It is reset first, and again at the end. */
void virtio_fuzz(struct driver *driver, const uint8_t *data, size_t size);
