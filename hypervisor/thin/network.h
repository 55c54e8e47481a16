/* SPDX-License-Identifier: Apache-2.0 */
/* The seam for what is behind a guest's network card: a TAP interface of the host, or passt, which needs no privilege.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"

struct err;
struct network;

#define NETWORK_FRAME_MAX 65558U /* 64 KiB behind an Ethernet header and two VLAN tags */
#define NETWORK_DESCRIPTORS 2
/* Before each frame there is a header, as virtio_net_hdr in Virtual I/O Device 1.1, section 5.1.6. */
#define NETWORK_HEADER 12U
#define NETWORK_ROOM (NETWORK_HEADER + NETWORK_FRAME_MAX)

/* What a guest may complete itself of frames that come to it, as their header asks: checksums, and segments of TCP that
 * are larger than the MTU. */
enum network_offloads { NETWORK_CHECKSUMS = 1, NETWORK_TCP4 = 2, NETWORK_TCP6 = 4 };

enum network_result {
	NETWORK_DONE,
	NETWORK_LATER, /* nothing is there now */
	NETWORK_ENDED, /* the other side is gone for good: the error says what a person is to do */
};

/* None of them blocks. Called by one thread at a time. */
struct network_ops {
	/* The next frame that has come, its header first, into NETWORK_ROOM bytes; *ret_size is both together. */
	enum network_result (*receive)(struct network *network, uint8_t *frame, size_t *ret_size, struct err **errp);
	/* A frame with its header before it, of `size` bytes, in at most VIRTQUEUE_SEGMENTS parts. One that the other
	 * side has no room for is lost, as networks lose frames. */
	enum network_result (*send)(struct network *network, const struct iovec *from, int n, size_t size,
				    struct err **errp);
	/* What the guest completes from now on, as NETWORK_CHECKSUMS and so on; with no TCP without checksums. At the
	 * beginning that is nothing. What fails changes nothing. NULL where `offloads` is not set. */
	void (*leave_to_guest)(struct network *network, unsigned what);
	/* What `rest` asks for. NULL where rest is never set. */
	enum network_result (*send_rest)(struct network *network, struct err **errp);
	/* The descriptors it needs in jail; at most NETWORK_DESCRIPTORS. Returns how many. */
	size_t (*descriptors)(const struct network *network, int *ret);
	void (*free)(struct network *network);
};

struct network {
	const struct network_ops *ops;
	int ready;     /* can be read when there is something to receive */
	bool rest;     /* the end of a frame is to be sent as soon as `ready` can be written: by send_rest() */
	bool offloads; /* completes checksums and cuts large TCP segments of frames that are sent, as their header asks,
			* and leaves that to the guest for frames that come */
};

/* An interface that is there: ERR_NOT_FOUND and ERR_BUSY name it and say what to do. */
NODISCARD struct network *network_open_tap(const char *interface, struct err **errp);
/* The socket on which passt listens (passt --socket PATH). */
NODISCARD struct network *network_open_passt(const char *path, struct err **errp);
void network_free(struct network *network);
DEFINE_AUTO_FREE(struct network, network_free);
