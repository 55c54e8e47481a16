/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network card (Virtual I/O Device 1.1, section 5.1) with one queue for each direction. When what is behind it ends
 * the link goes down, and the machine goes on.
 */
#pragma once

#include <stdint.h>

#include "base/compiler.h"

struct board;
struct err;
struct network;
struct virtio_device;
struct virtio_net;

/* Takes the network over, also when it fails. name is for sentences: "net0". */
NODISCARD struct virtio_net *virtio_net_new(const struct board *board, const char *name, const uint8_t mac[6],
					    struct network *network, struct err **errp);
void virtio_net_free(struct virtio_net *net);
DEFINE_AUTO_FREE(struct virtio_net, virtio_net_free);
/* For its transport and its worker (JAIL_NETWORK). Borrowed. */
struct virtio_device *virtio_net_device(struct virtio_net *net);
