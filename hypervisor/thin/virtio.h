/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam between a virtio device and what carries it to the guest (Virtual I/O Device 1.1, section 2). A device says
 * what it is and serves its queues; the transport (virtio_pci.h) shows it to the driver, and brings its interrupts.
 *
 *	  vCPU threads                              the device's worker
 *	registers ──► transport                    kick ──► virtio ──► ops->serve ──► virtqueue
 *	                 └─ lock ─► virtio.state ◄─ lock ──┘               │
 *	kick, by KVM or virtio_kick() ─► eventfd ──────────┘               └─► transport->used ─► interrupt
 *
 * - Everything in `state`, the queues, and what a device adds of its own is touched with the lock held, by whatever
 *   thread. So a reset that a vCPU asks for waits for the request in flight, and behind it the device touches no memory
 *   of the driver.
 * - The lock is taken with at most a bus's lock (for reading) and PCI's held. Under it those of MSI-X and of the
 *   machine's news are taken, each for a moment and nothing below them.
 * - A driver that does what none may makes its device need a reset: it then serves nothing more until it was reset.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/thin/virtqueue.h"

struct board;
struct err;
struct virtio_device;
struct worker;

#define VIRTIO_QUEUES_MAX 6
#define VIRTIO_CONFIG_MAX 64
#define VIRTIO_AT_ONCE 16
#define VIRTIO_DESCRIPTORS_MAX (VIRTIO_QUEUES_MAX + 4)

/* Section 5: what kind of device it is. */
enum virtio_type { VIRTIO_NETWORK = 1, VIRTIO_BLOCK = 2, VIRTIO_CONSOLE = 3, VIRTIO_RNG = 4 };

/* Section 6: features of every device. All of ours have these three. */
#define VIRTIO_FEATURE_INDIRECT (UINT64_C(1) << 28)
#define VIRTIO_FEATURE_EVENT_INDEX (UINT64_C(1) << 29)
#define VIRTIO_FEATURE_VERSION_1 (UINT64_C(1) << 32)

/* Section 2.1: the device status field. */
#define VIRTIO_STATUS_DRIVER_OK 0x04U
#define VIRTIO_STATUS_FEATURES_OK 0x08U
#define VIRTIO_STATUS_NEEDS_RESET 0x40U

/* serve and reset are called with the lock held. */
struct virtio_ops {
	/* A queue was kicked, or may have something in it. In the device's worker, while the driver is up and the queue
	 * ready. */
	void (*serve)(struct virtio_device *device, unsigned queue);
	/* The device's own state as new; everything of this header is so already. May be NULL. */
	void (*reset)(struct virtio_device *device);
	/* For devices that wait for more than kicks: has the worker watch it. While the worker is parked, without the
	 * lock. May be NULL. */
	bool (*watch)(struct virtio_device *device, struct worker *worker, struct err **errp);
	/* The descriptors that the device has beside the kicks: at most VIRTIO_DESCRIPTORS_MAX - VIRTIO_QUEUES_MAX. May
	 * be NULL. */
	size_t (*descriptors)(const struct virtio_device *device, int *ret);
};

/* How a transport brings interrupts. Called with the lock held, from any thread. */
struct virtio_transport {
	void (*used)(void *arg, unsigned queue); /* something was put into a queue */
	void (*changed)(void *arg);		 /* the configuration, or the status, is another */
	void *arg;
};

/* What a driver can see the effect of, but for what its device and its transport add. */
struct virtio_state {
	uint8_t status;
	uint8_t generation; /* of the configuration */
	uint64_t features;  /* that the driver accepts */
	struct virtqueue queues[VIRTIO_QUEUES_MAX];
};

/* An eventfd that is signalled when a queue is to be looked at. */
struct virtio_kick {
	struct virtio_device *device;
	unsigned queue;
	int fd;
};

/* The first member of every device. The fields above the line stay as they were made. */
struct virtio_device {
	const struct virtio_ops *ops;
	const struct board *board;
	char name[32]; /* "disk vda": for sentences */
	enum virtio_type type;
	unsigned n_queues;
	uint64_t offered;   /* features */
	size_t config_size; /* of the device's own configuration, section 2.4: a driver can only read ours */
	struct virtio_kick kicks[VIRTIO_QUEUES_MAX];
	struct virtio_transport transport;
	atomic_bool taken_over;	     /* see virtio_was_taken_over() */
	const struct worker *worker; /* that serves it, borrowed; NULL: none yet */
	/* ---- with the lock held */
	pthread_mutex_t lock;
	uint8_t config[VIRTIO_CONFIG_MAX];
	struct virtio_state state;
	bool has_memory; /* its transport lets it reach the guest's memory; without one it may */
	bool misuse_told;
	struct virtqueue_chain chain; /* the request that the worker is at */
};

/* What a device is, for virtio_init(). */
struct virtio_kind {
	const struct virtio_ops *ops;
	enum virtio_type type;
	const char *name; /* copied */
	unsigned n_queues;
	uint64_t features;  /* beside the three that all have */
	const void *config; /* copied */
	size_t config_size;
};

/* For devices: */

/* The board is borrowed. Call virtio_release() also after a failure. */
NODISCARD bool virtio_init(struct virtio_device *device, const struct board *board, const struct virtio_kind *kind,
			   struct err **errp);
void virtio_release(struct virtio_device *device);
/* The driver is up, has not gone wrong, and lets the device reach its memory. */
bool virtio_is_up(const struct virtio_device *device);
/* Takes the next chain of a queue into device->chain. False where there is none, or where the queue is broken: that is
 * told. */
NODISCARD bool virtio_take(struct virtio_device *device, unsigned queue);
/* Puts device->chain into the used ring, and interrupts where the driver wants it. */
void virtio_put(struct virtio_device *device, unsigned queue, uint32_t written);
/* The same with several chains, as virtqueue_put(). */
void virtio_put_all(struct virtio_device *device, unsigned queue, const struct virtqueue_used *used, unsigned n);
/* The n chains that were taken last will be taken again. */
void virtio_give_back(struct virtio_device *device, unsigned queue, unsigned n);
/*
 * Takes chains and has `one` put each of them, until the queue is empty, or it gives one back and returns false. Kicks
 * are off meanwhile. When its worker shall park, and after VIRTIO_AT_ONCE chains, so that others are served, it kicks
 * once more for what is left, and returns. It does one at least.
 */
typedef bool virtio_serve_one(struct virtio_device *device, unsigned queue);
void virtio_drain(struct virtio_device *device, unsigned queue, virtio_serve_one *one);
/* Nothing could be taken: asks for a kick for what the driver adds. True where it has added something meanwhile. */
NODISCARD bool virtio_listen(struct virtio_device *device, unsigned queue);
/* The driver did what none may, in words that follow the device's name: it is told once, and the device needs a reset.
 */
void virtio_break(struct virtio_device *device, const char *what);
/* New bytes of the configuration are there: its generation goes on, and the driver is told. */
void virtio_config_changed(struct virtio_device *device);

/* A driver began anew behind one that was up, as a system's does behind the firmware's; until the power-on. From any
 * thread. */
bool virtio_was_taken_over(const struct virtio_device *device);

/* For transports, with the lock held but for virtio_kick(): */

/* The device status as the driver writes it; 0 is a reset. */
void virtio_set_status(struct virtio_device *device, uint8_t status);
void virtio_start_queue(struct virtio_device *device, unsigned queue);
void virtio_reset(struct virtio_device *device);
/* A reset, and it was never driven. */
void virtio_power_on(struct virtio_device *device);
/* Whether the device may reach the guest's memory; a reset changes nothing of it. When it may again, all queues are
 * looked at. */
void virtio_let_reach_memory(struct virtio_device *device, bool may);

/* For the machine: */

/* Has the worker serve the device; both are borrowed. While the worker is parked, see worker_watch(). */
NODISCARD bool virtio_watch(struct virtio_device *device, struct worker *worker, struct err **errp);
/* The descriptors that it needs in jail: at most VIRTIO_DESCRIPTORS_MAX. Returns how many. */
size_t virtio_descriptors(const struct virtio_device *device, int *ret);

/* As if the driver had kicked: the queue is looked at. From any thread, also with the lock held. */
void virtio_kick(struct virtio_device *device, unsigned queue);
/* Kicks all queues, as when a machine goes on: what was held for trouble is tried again. */
void virtio_kick_all(struct virtio_device *device);
