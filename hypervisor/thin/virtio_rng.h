/* SPDX-License-Identifier: Apache-2.0 */
/* A source of random numbers (Virtual I/O Device 1.1, section 5.4): the kernel's, as getrandom() gives them. */
#pragma once

#include "base/compiler.h"

struct board;
struct err;
struct virtio_device;
struct virtio_rng;

NODISCARD struct virtio_rng *virtio_rng_new(const struct board *board, struct err **errp);
void virtio_rng_free(struct virtio_rng *rng);
DEFINE_AUTO_FREE(struct virtio_rng, virtio_rng_free);
/* For its transport and its worker. Borrowed. */
struct virtio_device *virtio_rng_device(struct virtio_rng *rng);
