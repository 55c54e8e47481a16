/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/virtio.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/worker.h"

/* What a driver may set of the status; it clears nothing but by a reset. 0x83: acknowledged, has a driver, failed. */
#define DRIVER_BITS (0x83U | VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_FEATURES_OK)
#define COMMON_FEATURES (VIRTIO_FEATURE_INDIRECT | VIRTIO_FEATURE_EVENT_INDEX | VIRTIO_FEATURE_VERSION_1)

static void reset_state(struct virtio_device *device)
{
	device->state = (struct virtio_state){.generation = device->state.generation};
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		virtqueue_reset(&device->state.queues[i]);
}

bool virtio_init(struct virtio_device *device, const struct board *board, const struct virtio_kind *kind,
		 struct err **errp)
{
	assert(kind->n_queues <= VIRTIO_QUEUES_MAX && kind->config_size <= VIRTIO_CONFIG_MAX);
	*device = (struct virtio_device){.ops = kind->ops,
					 .board = board,
					 .type = kind->type,
					 .n_queues = kind->n_queues,
					 .offered = kind->features | COMMON_FEATURES,
					 .has_memory = true,
					 .config_size = kind->config_size};
	snprintf(device->name, sizeof(device->name), "%s", kind->name);
	if (kind->config_size > 0)
		memcpy(device->config, kind->config, kind->config_size);
	pthread_mutex_init(&device->lock, NULL);
	reset_state(device);
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		device->kicks[i] = (struct virtio_kick){.device = device, .queue = i, .fd = -1};
	for (unsigned i = 0; i < kind->n_queues; i++) {
		device->kicks[i].fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (device->kicks[i].fd < 0)
			return err_set_errno(errp, errno, "%s: cannot make an eventfd", device->name);
	}
	return true;
}

void virtio_release(struct virtio_device *device)
{
	for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
		file_closep(&device->kicks[i].fd);
	pthread_mutex_destroy(&device->lock);
}

bool virtio_is_up(const struct virtio_device *device)
{
	return device->has_memory && (device->state.status & (VIRTIO_STATUS_DRIVER_OK | VIRTIO_STATUS_NEEDS_RESET)) ==
					     VIRTIO_STATUS_DRIVER_OK;
}

void virtio_break(struct virtio_device *device, const char *what)
{
	const struct happenings *happenings = &device->board->happenings;
	char sentence[256];
	snprintf(sentence, sizeof(sentence), "%s: the guest's driver %s; the device waits for a reset", device->name,
		 what);
	if (!device->misuse_told)
		happenings->misuse(happenings->arg, sentence);
	device->misuse_told = true;
	device->state.status |= VIRTIO_STATUS_NEEDS_RESET;
	if (device->state.status & VIRTIO_STATUS_DRIVER_OK)
		device->transport.changed(device->transport.arg);
}

bool virtio_take(struct virtio_device *device, unsigned queue)
{
	const char *why;
	struct virtqueue *ring = &device->state.queues[queue];
	if (!virtio_is_up(device) || !ring->ready)
		return false;
	switch (virtqueue_take(ring, device->board->memory, &device->chain, &why)) {
	case VIRTQUEUE_TAKEN:
		return true;
	case VIRTQUEUE_BROKEN:
		virtio_break(device, why);
		return false;
	case VIRTQUEUE_EMPTY:
		return false;
	}
	assert(false);
	return false;
}

void virtio_put(struct virtio_device *device, unsigned queue, uint32_t written)
{
	virtio_put_all(device, queue, &(struct virtqueue_used){device->chain.head, written}, 1);
}

void virtio_put_all(struct virtio_device *device, unsigned queue, const struct virtqueue_used *used, unsigned n)
{
	struct virtqueue *ring = &device->state.queues[queue];
	virtqueue_put(ring, device->board->memory, used, n);
	if (virtqueue_wants_interrupt(ring, device->board->memory))
		device->transport.used(device->transport.arg, queue);
}

void virtio_give_back(struct virtio_device *device, unsigned queue, unsigned n)
{
	virtqueue_give_back(&device->state.queues[queue], n);
}

bool virtio_listen(struct virtio_device *device, unsigned queue)
{
	struct virtqueue *ring = &device->state.queues[queue];
	return virtio_is_up(device) && ring->ready && virtqueue_listen(ring, device->board->memory);
}

void virtio_drain(struct virtio_device *device, unsigned queue, virtio_serve_one *one)
{
	virtqueue_silence(&device->state.queues[queue], device->board->memory);
	unsigned left = VIRTIO_AT_ONCE;
	do {
		bool taken = virtio_take(device, queue);
		if (taken ? !one(device, queue) : !virtio_listen(device, queue))
			return;
	} while (--left > 0 && !(device->worker && worker_shall_stop(device->worker)));
	virtio_kick(device, queue);
}

void virtio_config_changed(struct virtio_device *device)
{
	device->state.generation++;
	device->transport.changed(device->transport.arg);
}

void virtio_reset(struct virtio_device *device)
{
	reset_state(device);
	if (device->ops->reset)
		device->ops->reset(device);
}

void virtio_power_on(struct virtio_device *device)
{
	virtio_reset(device);
	atomic_store(&device->taken_over, false);
}

bool virtio_was_taken_over(const struct virtio_device *device)
{
	return atomic_load(&device->taken_over);
}

void virtio_let_reach_memory(struct virtio_device *device, bool may)
{
	bool again = may && !device->has_memory && device->state.status & VIRTIO_STATUS_DRIVER_OK;
	device->has_memory = may;
	if (again)
		virtio_kick_all(device);
}

static bool accepts_features(const struct virtio_device *device)
{
	uint64_t features = device->state.features;
	return !(features & ~device->offered) && features & VIRTIO_FEATURE_VERSION_1;
}

void virtio_set_status(struct virtio_device *device, uint8_t status)
{
	uint8_t was = device->state.status;
	if (status == 0) {
		if (was & VIRTIO_STATUS_DRIVER_OK)
			atomic_store(&device->taken_over, true);
		virtio_reset(device);
		return;
	}
	uint8_t now = (uint8_t)(was | (status & DRIVER_BITS));
	if (!(was & VIRTIO_STATUS_FEATURES_OK) && !accepts_features(device))
		now &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
	if (!(now & VIRTIO_STATUS_FEATURES_OK))
		now &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;
	device->state.status = now;
	if (now & VIRTIO_STATUS_DRIVER_OK && !(was & VIRTIO_STATUS_DRIVER_OK))
		virtio_kick_all(device);
}

void virtio_start_queue(struct virtio_device *device, unsigned queue)
{
	struct virtqueue *ring = &device->state.queues[queue];
	ring->event_index = device->state.features & VIRTIO_FEATURE_EVENT_INDEX;
	const char *why = device->state.status & VIRTIO_STATUS_FEATURES_OK
				  ? virtqueue_start(ring, device->board->memory)
				  : "started a queue before its features were settled";
	if (why)
		virtio_break(device, why);
}

static void on_kick(void *arg)
{
	struct virtio_kick *kick = arg;
	struct virtio_device *device = kick->device;
	uint64_t count;
	ssize_t n = read(kick->fd, &count, sizeof(count));
	assert(n == (ssize_t)sizeof(count) || errno == EAGAIN);
	pthread_mutex_lock(&device->lock);
	if (virtio_is_up(device) && device->state.queues[kick->queue].ready)
		device->ops->serve(device, kick->queue);
	pthread_mutex_unlock(&device->lock);
}

bool virtio_watch(struct virtio_device *device, struct worker *worker, struct err **errp)
{
	for (unsigned i = 0; i < device->n_queues; i++)
		if (!worker_watch(worker, device->kicks[i].fd, on_kick, &device->kicks[i], errp))
			return err_prefix(errp, "%s", device->name);
	device->worker = worker;
	return !device->ops->watch || device->ops->watch(device, worker, errp);
}

void virtio_kick(struct virtio_device *device, unsigned queue)
{
	ssize_t n = write(device->kicks[queue].fd, &(uint64_t){1}, sizeof(uint64_t));
	assert(n == (ssize_t)sizeof(uint64_t) || errno == EAGAIN); /* its counter is full: it is signalled */
}

void virtio_kick_all(struct virtio_device *device)
{
	for (unsigned i = 0; i < device->n_queues; i++)
		virtio_kick(device, i);
}

size_t virtio_descriptors(const struct virtio_device *device, int *ret)
{
	for (unsigned i = 0; i < device->n_queues; i++)
		ret[i] = device->kicks[i].fd;
	return device->n_queues +
	       (device->ops->descriptors ? device->ops->descriptors(device, ret + device->n_queues) : 0);
}
