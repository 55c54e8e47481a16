/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hypervisor/thin/virtio_fuzz.h"

#include <assert.h>
#include <string.h>

#include "tests/hypervisor/thin/virtio_driver.h"

enum { AVAILABLE = 0x80, USED = 0xa0, ROUNDS = 2 };

static void lay_memory(struct driver *driver, const uint8_t *data, size_t size)
{
	uint8_t *memory = guest_memory_for_writing(driver->memory, 0, VIRTIO_FUZZ_MEMORY);
	size = size < VIRTIO_FUZZ_MEMORY ? size : VIRTIO_FUZZ_MEMORY;
	memcpy(memory, data, size);
	memset(memory + size, 0, VIRTIO_FUZZ_MEMORY - size);
}

static uint64_t features_of(const struct virtio_device *device, uint8_t choice)
{
	uint64_t features = VIRTIO_FEATURE_VERSION_1 | VIRTIO_FEATURE_INDIRECT;
	features |= choice & 1 ? VIRTIO_FEATURE_EVENT_INDEX : 0;
	for (uint64_t own = device->offered & 0xffffff; own; own &= own - 1) {
		choice >>= 1;
		features |= choice & 1 ? own & -own : 0;
	}
	return features;
}

static void bring_up(struct driver *driver, uint64_t features)
{
	struct virtio_device *device = driver->device;
	pthread_mutex_lock(&device->lock);
	virtio_set_status(device, 0);
	device->state.features = features;
	virtio_set_status(device, VIRTIO_STATUS_FEATURES_OK);
	for (unsigned i = 0; i < device->n_queues; i++) {
		struct virtqueue *queue = &device->state.queues[i];
		uint64_t at = (uint64_t)i * VIRTIO_FUZZ_STEP;
		queue->size = VIRTIO_FUZZ_SIZE;
		queue->descriptors = at;
		queue->available = at + AVAILABLE;
		queue->used = at + USED;
		virtio_start_queue(device, i);
		assert(queue->ready);
	}
	virtio_set_status(device, VIRTIO_STATUS_DRIVER_OK);
	assert(virtio_is_up(device));
	pthread_mutex_unlock(&device->lock);
}

void virtio_fuzz(struct driver *driver, const uint8_t *data, size_t size)
{
	struct virtio_device *device = driver->device;
	if (size < 1)
		return;
	lay_memory(driver, data + 1, size - 1);
	bring_up(driver, features_of(device, data[0]));
	for (unsigned i = 0; i < ROUNDS * device->n_queues; i++)
		driver_serve(driver, i % device->n_queues);
	/* It is up, or its driver was told off. */
	assert(virtio_is_up(device) || device->misuse_told);
	pthread_mutex_lock(&device->lock);
	virtio_set_status(device, 0);
	pthread_mutex_unlock(&device->lock);
}
