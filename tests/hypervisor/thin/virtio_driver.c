/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hypervisor/thin/virtio_driver.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/worker.h"

static void must(bool done, struct err *err)
{
	if (done)
		return;
	fprintf(stderr, "%s\n", err ? err_message(err) : "failed");
	abort();
}

/* ---- The board */

static void keep_sentence(struct driver *driver, const char *sentence, unsigned *count)
{
	pthread_mutex_lock(&driver->lock);
	snprintf(driver->sentence, sizeof(driver->sentence), "%s", sentence);
	(*count)++;
	pthread_cond_broadcast(&driver->asked);
	pthread_mutex_unlock(&driver->lock);
}

static void on_trouble(void *arg, enum trouble kind, const char *sentence)
{
	(void)kind;
	struct driver *driver = arg;
	keep_sentence(driver, sentence, &driver->troubles);
}

static void on_loss(void *arg, const char *sentence)
{
	struct driver *driver = arg;
	keep_sentence(driver, sentence, &driver->losses);
}

static void on_misuse(void *arg, const char *sentence)
{
	struct driver *driver = arg;
	keep_sentence(driver, sentence, &driver->misuses);
}

static void on_message(void *arg, uint64_t address, uint32_t data)
{
	struct driver *driver = arg;
	pthread_mutex_lock(&driver->lock);
	driver->messages++;
	driver->message_address = address;
	driver->message_data = data;
	pthread_mutex_unlock(&driver->lock);
}

static void on_line(void *arg, enum line line, bool level)
{
	(void)arg;
	(void)line;
	(void)level;
}

static bool on_ring_at(void *arg, uint64_t address, int eventfd, bool on)
{
	struct driver *driver = arg;
	if (!driver->can_ring)
		return false;
	if (on) {
		assert(driver->n_rings < VIRTIO_QUEUES_MAX);
		driver->rings[driver->n_rings++] = (struct driver_ring){address, eventfd};
		return true;
	}
	unsigned i = 0;
	while (i < driver->n_rings && (driver->rings[i].address != address || driver->rings[i].eventfd != eventfd))
		i++;
	assert(i < driver->n_rings); /* only what is rung at is silenced */
	driver->rings[i] = driver->rings[--driver->n_rings];
	return true;
}

static void on_power(void *arg)
{
	(void)arg;
}

void driver_init(struct driver *driver)
{
	driver_init_with(driver, DRIVER_MEMORY);
}

void driver_init_with(struct driver *driver, uint64_t memory)
{
	AUTO(err_freep) struct err *err = NULL;
	*driver = (struct driver){.device = NULL};
	pthread_mutex_init(&driver->lock, NULL);
	pthread_cond_init(&driver->asked, NULL);
	driver->memory = guest_memory_new(memory, &err);
	must(driver->memory, err);
	struct bus *ports = bus_new(&err), *mmio = bus_new(&err);
	must(ports && mmio, err);
	driver->board = (struct board){
		.memory = driver->memory,
		.ports = ports,
		.mmio = mmio,
		.chips = {.set_line = on_line, .send_message = on_message, .ring_at = on_ring_at, .arg = driver},
		.happenings = {.power_off = on_power,
			       .restart = on_power,
			       .trouble = on_trouble,
			       .loss = on_loss,
			       .misuse = on_misuse,
			       .arg = driver}};
}

void driver_release(struct driver *driver)
{
	bus_free(driver->board.ports);
	bus_free(driver->board.mmio);
	guest_memory_free(driver->memory);
	pthread_cond_destroy(&driver->asked);
	pthread_mutex_destroy(&driver->lock);
}

/* ---- The device */

static void on_used(void *arg, unsigned queue)
{
	struct driver *driver = arg;
	pthread_mutex_lock(&driver->lock);
	driver->used[queue]++;
	pthread_cond_broadcast(&driver->asked);
	pthread_mutex_unlock(&driver->lock);
}

static void on_changed(void *arg)
{
	struct driver *driver = arg;
	pthread_mutex_lock(&driver->lock);
	driver->changed++;
	pthread_mutex_unlock(&driver->lock);
}

void driver_attach(struct driver *driver, struct virtio_device *device)
{
	driver->device = device;
	device->transport = (struct virtio_transport){.used = on_used, .changed = on_changed, .arg = driver};
}

void driver_bring_up(struct driver *driver, uint64_t features, uint16_t size)
{
	struct virtio_device *device = driver->device;
	pthread_mutex_lock(&device->lock);
	virtio_set_status(device, 0);
	driver->features = device->state.features = features | VIRTIO_FEATURE_VERSION_1;
	virtio_set_status(device, VIRTIO_STATUS_FEATURES_OK);
	for (unsigned i = 0; i < device->n_queues; i++) {
		struct virtqueue *queue = &device->state.queues[i];
		driver->queues[i] = (struct driver_queue){.size = size};
		queue->size = size;
		queue->descriptors = driver_descriptors(i);
		queue->available = driver_available(i);
		queue->used = driver_used(i);
		uint8_t zeros[DRIVER_RING_STEP] = {0};
		driver_write(driver, driver_descriptors(i), zeros, sizeof(zeros));
		virtio_start_queue(device, i);
	}
	virtio_set_status(device, VIRTIO_STATUS_DRIVER_OK);
	pthread_mutex_unlock(&device->lock);
}

void driver_make_worker(struct driver *driver, enum jail_role role)
{
	AUTO(err_freep) struct err *err = NULL;
	driver->worker = worker_new("virtio-test", role, &err);
	must(driver->worker, err);
	must(virtio_watch(driver->device, driver->worker, &err), err);
}

void driver_start_worker(struct driver *driver, enum jail_role role)
{
	driver_make_worker(driver, role);
	worker_go_on(driver->worker);
}

void driver_stop_worker(struct driver *driver)
{
	worker_free(driver->worker);
	driver->worker = NULL;
}

void driver_serve(struct driver *driver, unsigned queue)
{
	struct virtio_device *device = driver->device;
	pthread_mutex_lock(&device->lock);
	if (virtio_is_up(device) && device->state.queues[queue].ready)
		device->ops->serve(device, queue);
	pthread_mutex_unlock(&device->lock);
}

/* ---- Memory and rings */

void driver_write(struct driver *driver, uint64_t address, const void *data, size_t size)
{
	must(guest_memory_write(driver->memory, address, data, size), NULL);
}

void driver_read(struct driver *driver, uint64_t address, void *data, size_t size)
{
	must(guest_memory_read(driver->memory, address, data, size), NULL);
}

uint8_t driver_byte(struct driver *driver, uint64_t address)
{
	uint8_t byte;
	driver_read(driver, address, &byte, 1);
	return byte;
}

uint64_t driver_descriptors(unsigned queue)
{
	return DRIVER_RINGS + queue * DRIVER_RING_STEP;
}

uint64_t driver_available(unsigned queue)
{
	return driver_descriptors(queue) + DRIVER_AVAILABLE;
}

uint64_t driver_used(unsigned queue)
{
	return driver_descriptors(queue) + DRIVER_USED;
}

void driver_write_descriptor(struct driver *driver, uint64_t table, uint16_t index, struct driver_buffer buffer,
			     uint16_t next)
{
	uint8_t bytes[16];
	bytes_store_le64(bytes, buffer.address);
	bytes_store_le32(bytes + 8, buffer.length);
	bytes_store_le16(bytes + 12, buffer.flags);
	bytes_store_le16(bytes + 14, next);
	driver_write(driver, table + 16 * (uint64_t)index, bytes, sizeof(bytes));
}

void driver_offer(struct driver *driver, unsigned queue, uint16_t head)
{
	struct driver_queue *ring = &driver->queues[queue];
	uint64_t available = driver_available(queue);
	must(guest_memory_store16(driver->memory, available + 4 + 2 * (uint64_t)(ring->available % ring->size), head),
	     NULL);
	must(guest_memory_store16(driver->memory, available + 2, ++ring->available), NULL);
}

uint16_t driver_add(struct driver *driver, unsigned queue, const struct driver_buffer *buffers, size_t n)
{
	struct driver_queue *ring = &driver->queues[queue];
	uint16_t head = ring->next_descriptor, at = head;
	for (size_t i = 0; i < n; i++) {
		struct driver_buffer buffer = buffers[i];
		uint16_t next = (uint16_t)((at + 1) % ring->size);
		buffer.flags |= i + 1 < n ? DRIVER_NEXT : 0;
		driver_write_descriptor(driver, driver_descriptors(queue), at, buffer, next);
		at = next;
	}
	ring->next_descriptor = at;
	driver_offer(driver, queue, head);
	return head;
}

/* Virtual I/O Device 1.1, section 2.6.10. */
void driver_kick(struct driver *driver, unsigned queue, unsigned n)
{
	const struct driver_queue *ring = &driver->queues[queue];
	uint16_t flags, event;
	__sync_synchronize();
	must(guest_memory_load16(driver->memory, driver_used(queue), &flags), NULL);
	must(guest_memory_load16(driver->memory, driver_used(queue) + 4 + 8 * (uint64_t)ring->size, &event), NULL);
	bool passed = (uint16_t)(ring->available - event - 1) < n;
	if (driver->features & VIRTIO_FEATURE_EVENT_INDEX ? passed : !(flags & 1))
		virtio_kick(driver->device, queue);
}

bool driver_take_used(struct driver *driver, unsigned queue, uint16_t *ret_head, uint32_t *ret_length)
{
	struct driver_queue *ring = &driver->queues[queue];
	uint64_t used = driver_used(queue);
	uint8_t entry[8];
	uint16_t index;
	must(guest_memory_load16(driver->memory, used + 2, &index), NULL);
	if (index == ring->used)
		return false;
	driver_read(driver, used + 4 + 8 * (uint64_t)(ring->used % ring->size), entry, sizeof(entry));
	*ret_head = (uint16_t)bytes_load_le32(entry);
	*ret_length = bytes_load_le32(entry + 4);
	ring->used++;
	return true;
}

void driver_wait_used(struct driver *driver, unsigned queue, unsigned n)
{
	uint16_t index = 0;
	pthread_mutex_lock(&driver->lock);
	for (;;) {
		must(guest_memory_load16(driver->memory, driver_used(queue) + 2, &index), NULL);
		if ((uint16_t)(index - driver->queues[queue].used) >= n)
			break;
		pthread_cond_wait(&driver->asked, &driver->lock);
	}
	pthread_mutex_unlock(&driver->lock);
}

void driver_wait_interrupts(struct driver *driver, unsigned queue, unsigned n)
{
	pthread_mutex_lock(&driver->lock);
	while (driver->used[queue] < n)
		pthread_cond_wait(&driver->asked, &driver->lock);
	pthread_mutex_unlock(&driver->lock);
}
