/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A virtio driver for tests: rings in a real guest memory, a board that records what devices ask of it, and a device
 * that is either driven in place (driver_serve()) or by a worker of its own (driver_start_worker()).
 *
 * Memory: rings of queue i at DRIVER_RINGS + i * DRIVER_RING_STEP; buffers are the test's, from DRIVER_BUFFERS on.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "hypervisor/thin/board.h"
#include "hypervisor/thin/guest_memory.h"
#include "hypervisor/thin/jail.h"
#include "hypervisor/thin/virtio.h"

#define DRIVER_MEMORY (UINT64_C(64) << 20)
#define DRIVER_RINGS UINT64_C(0x10000)
#define DRIVER_RING_STEP UINT64_C(0x4000)
#define DRIVER_AVAILABLE UINT64_C(0x1000) /* in a step */
#define DRIVER_USED UINT64_C(0x2000)
#define DRIVER_BUFFERS UINT64_C(0x100000)

enum { DRIVER_READS = 0, DRIVER_NEXT = 1, DRIVER_WRITES = 2, DRIVER_INDIRECT = 4 };

struct driver_queue {
	uint16_t size, next_descriptor, available, used;
};

/* An address that KVM would ring at. */
struct driver_ring {
	uint64_t address;
	int eventfd;
};

struct driver {
	struct guest_memory *memory;
	struct board board;
	struct virtio_device *device;
	struct worker *worker;
	struct driver_queue queues[VIRTIO_QUEUES_MAX];
	uint64_t features; /* that were negotiated last */
	bool can_ring;	   /* what chips.ring_at() says */
	struct driver_ring rings[VIRTIO_QUEUES_MAX];
	unsigned n_rings;
	/* ---- what the device asked for, with the lock held */
	pthread_mutex_t lock;
	pthread_cond_t asked;
	unsigned used[VIRTIO_QUEUES_MAX], changed, misuses, troubles, losses, messages;
	uint64_t message_address;
	uint32_t message_data;
	char sentence[512]; /* the last of trouble, loss or misuse */
};

struct driver_buffer {
	uint64_t address;
	uint32_t length;
	uint16_t flags; /* DRIVER_READS or DRIVER_WRITES, as the device does */
};

/* Fails the test, or ends the program, where there is no memory. */
void driver_init(struct driver *driver);
void driver_init_with(struct driver *driver, uint64_t memory);
void driver_release(struct driver *driver);
/* Takes the transport's place, and brings the device up with these features and queues of that size. */
void driver_attach(struct driver *driver, struct virtio_device *device);
void driver_bring_up(struct driver *driver, uint64_t features, uint16_t size);
/* A worker of its own, which ends before the device goes: parked, or running. */
void driver_make_worker(struct driver *driver, enum jail_role role);
void driver_start_worker(struct driver *driver, enum jail_role role);
void driver_stop_worker(struct driver *driver);

void driver_write(struct driver *driver, uint64_t address, const void *data, size_t size);
void driver_read(struct driver *driver, uint64_t address, void *data, size_t size);
uint8_t driver_byte(struct driver *driver, uint64_t address);
/* Where a queue's parts lie. */
uint64_t driver_descriptors(unsigned queue);
uint64_t driver_available(unsigned queue);
uint64_t driver_used(unsigned queue);
void driver_write_descriptor(struct driver *driver, uint64_t table, uint16_t index, struct driver_buffer buffer,
			     uint16_t next);
/* Puts a head into the available ring. */
void driver_offer(struct driver *driver, unsigned queue, uint16_t head);
/* Lays a chain out, and offers it. Returns its head. */
uint16_t driver_add(struct driver *driver, unsigned queue, const struct driver_buffer *buffers, size_t n);
/* Kicks for the n chains that were offered last, if the device asked for it. */
void driver_kick(struct driver *driver, unsigned queue, unsigned n);
/* The device's turn, in this thread. */
void driver_serve(struct driver *driver, unsigned queue);
/* The next entry of the used ring. False where there is none. */
bool driver_take_used(struct driver *driver, unsigned queue, uint16_t *ret_head, uint32_t *ret_length);
/* Waits for the device's worker to have put so many more entries, which are left there. */
void driver_wait_used(struct driver *driver, unsigned queue, unsigned n);
/* Waits for so many interrupts of the queue in all. Who looks at the ring before, and asks for the next one, is spared
 * one. */
void driver_wait_interrupts(struct driver *driver, unsigned queue, unsigned n);
