/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A split virtqueue as its device sees it (Virtual I/O Device 1.1, section 2.6): the driver lays chains of buffers into
 * the available ring, the device takes them, moves bytes, and puts them into the used ring.
 *
 * - The rings lie in RAM: that was checked when the queue was started, and RAM never shrinks.
 * - Each index, descriptor and flag is read once, into a variable of ours; what is decided is decided on that.
 * - A chain that was taken lies in RAM as a whole, ends, is no longer than VIRTQUEUE_SEGMENTS, and has what the device
 * reads before what it writes. What a driver must not do makes the queue broken, and nothing of that chain is done.
 * - A chain is in the hands of the device from take to put; what was given back is as if it had not been taken.
 *
 * Not thread-safe: the device's lock is held.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"

struct guest_memory;

/* A request of 1 MiB is one, also of the scattered pages that a guest's kernel gives: that is 256, header and status.
 */
#define VIRTQUEUE_SIZE_MAX 512U
#define VIRTQUEUE_SEGMENTS 512U
#define VIRTQUEUE_NO_VECTOR 0xffffU

/* All of a queue that a driver can see the effect of. Indices run on modulo 2^16, as in the rings. */
struct virtqueue {
	uint16_t size;	 /* of the rings: a power of two, at most VIRTQUEUE_SIZE_MAX */
	uint16_t vector; /* where the driver wants its interrupts; VIRTQUEUE_NO_VECTOR: nowhere */
	bool ready;
	bool event_index;		       /* VIRTIO_F_EVENT_IDX was negotiated */
	uint64_t descriptors, available, used; /* guest-physical addresses */
	uint16_t next_available;	       /* what is taken next */
	uint16_t next_used;		       /* what is put next */
	uint16_t interrupted;		       /* next_used when the driver was last interrupted */
};

struct virtqueue_segment {
	uint64_t address;
	uint32_t length; /* never 0 */
};

/* One request: the segments that the device reads, then those that it writes. */
struct virtqueue_chain {
	uint16_t head; /* its name in the used ring */
	uint16_t n_readable, n_writable;
	uint32_t readable_bytes, writable_bytes;
	struct virtqueue_segment segments[VIRTQUEUE_SEGMENTS];
};

/* A chain that the device is done with. */
struct virtqueue_used {
	uint16_t head;
	uint32_t written; /* bytes, from the first that it was to write on */
};

enum virtqueue_take { VIRTQUEUE_EMPTY, VIRTQUEUE_TAKEN, VIRTQUEUE_BROKEN };

/* As after a reset of the device: not ready, of the greatest size. */
void virtqueue_reset(struct virtqueue *queue);
/* Checks that the rings lie aligned and in RAM, and makes the queue ready. NULL, or what is wrong with them. */
NODISCARD const char *virtqueue_start(struct virtqueue *queue, const struct guest_memory *memory);

/* The next chain. *ret_why is set where it is broken. */
NODISCARD enum virtqueue_take virtqueue_take(struct virtqueue *queue, const struct guest_memory *memory,
					     struct virtqueue_chain *ret, const char **ret_why);
/* The chains that were taken last, and of which none was put, will be taken again. */
void virtqueue_give_back(struct virtqueue *queue, unsigned n);
/* The device is done with these chains. The driver sees all of them at once. n is at most the size of the queue. */
void virtqueue_put(struct virtqueue *queue, struct guest_memory *memory, const struct virtqueue_used *used, unsigned n);
/* Whether the driver wants to be interrupted for what was put since this was last asked. */
NODISCARD bool virtqueue_wants_interrupt(struct virtqueue *queue, const struct guest_memory *memory);

/* Asks the driver not to kick. It may kick all the same. */
void virtqueue_silence(struct virtqueue *queue, struct guest_memory *memory);
/* Asks it to kick when it adds something. True where something was added before it could see that: no kick will come
 * for it. */
NODISCARD bool virtqueue_listen(struct virtqueue *queue, struct guest_memory *memory);

/* Bytes of a chain, counted from the first that the device reads, or the first that it writes. The range lies in the
 * chain. */
void virtqueue_chain_read(const struct virtqueue_chain *chain, const struct guest_memory *memory, uint32_t offset,
			  void *data, size_t size);
void virtqueue_chain_write(const struct virtqueue_chain *chain, struct guest_memory *memory, uint32_t offset,
			   const void *data, size_t size);
/* The same bytes where they are, for requests that move them without a copy. Returns how many vectors: at most one a
 * segment. What is written there is told by virtqueue_chain_wrote(). */
int virtqueue_chain_readable(const struct virtqueue_chain *chain, const struct guest_memory *memory, uint32_t offset,
			     size_t size, struct iovec ret[VIRTQUEUE_SEGMENTS]);
int virtqueue_chain_writable(const struct virtqueue_chain *chain, struct guest_memory *memory, uint32_t offset,
			     size_t size, struct iovec ret[VIRTQUEUE_SEGMENTS]);
void virtqueue_chain_wrote(const struct virtqueue_chain *chain, struct guest_memory *memory, uint32_t offset,
			   size_t size);
