/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The common configuration is read as one picture of COMMON_SIZE bytes, which no read changes; a write goes to the one
 * field that it is exactly at, and nowhere else.
 */
#include <string.h>

#include "base/bytes.h"
#include "hypervisor/thin/virtio_pci_internal.h"

/* Section 4.1.4.3: where the fields of the common configuration are. */
enum {
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	CONFIG_VECTOR = 0x10,
	NUM_QUEUES = 0x12,
	DEVICE_STATUS = 0x14,
	CONFIG_GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_KICK = 0x1e,
	QUEUE_DESCRIPTORS = 0x20,
	QUEUE_AVAILABLE = 0x28,
	QUEUE_USED = 0x30,
};

/* The queue that the driver has selected; NULL where there is none of that number. */
static struct virtqueue *selected(struct virtio_pci *transport)
{
	struct virtio_device *device = transport->device;
	unsigned queue = transport->state.queue_select;
	return queue < device->n_queues ? &device->state.queues[queue] : NULL;
}

static uint32_t half_of(uint64_t value, uint32_t select)
{
	return select > 1 ? 0 : (uint32_t)(value >> (32 * select));
}

static void show_queue(const struct virtio_pci *transport, const struct virtqueue *queue, uint8_t *to)
{
	bytes_store_le16(to + QUEUE_SIZE, queue->size);
	bytes_store_le16(to + QUEUE_VECTOR, queue->vector);
	bytes_store_le16(to + QUEUE_ENABLE, queue->ready);
	bytes_store_le16(to + QUEUE_KICK, transport->state.queue_select);
	bytes_store_le64(to + QUEUE_DESCRIPTORS, queue->descriptors);
	bytes_store_le64(to + QUEUE_AVAILABLE, queue->available);
	bytes_store_le64(to + QUEUE_USED, queue->used);
}

static void show_common(struct virtio_pci *transport, uint8_t to[COMMON_SIZE])
{
	const struct virtio_pci_state *state = &transport->state;
	const struct virtio_device *device = transport->device;
	const struct virtqueue *queue = selected(transport);
	memset(to, 0, COMMON_SIZE);
	bytes_store_le32(to + DEVICE_FEATURE_SELECT, state->device_feature_select);
	bytes_store_le32(to + DEVICE_FEATURE, half_of(device->offered, state->device_feature_select));
	bytes_store_le32(to + DRIVER_FEATURE_SELECT, state->driver_feature_select);
	bytes_store_le32(to + DRIVER_FEATURE, half_of(device->state.features, state->driver_feature_select));
	bytes_store_le16(to + CONFIG_VECTOR, state->config_vector);
	bytes_store_le16(to + NUM_QUEUES, (uint16_t)device->n_queues);
	to[DEVICE_STATUS] = device->state.status;
	to[CONFIG_GENERATION] = device->state.generation;
	bytes_store_le16(to + QUEUE_SELECT, state->queue_select);
	if (queue)
		show_queue(transport, queue, to);
}

static uint64_t load(const uint8_t *bytes, size_t there, uint64_t offset, unsigned size)
{
	uint8_t wide[sizeof(uint64_t)] = {0};
	if (offset > there || size > there - offset)
		return 0;
	memcpy(wide, bytes + offset, size);
	return bytes_load_le64(wide);
}

static uint64_t read_isr(struct virtio_pci *transport)
{
	uint8_t isr = transport->state.isr;
	transport->state.isr = 0;
	return isr;
}

static uint64_t read_locked(struct virtio_pci *transport, uint64_t offset, unsigned size)
{
	const struct virtio_device *device = transport->device;
	uint8_t common[COMMON_SIZE];
	if (offset == ISR_AT)
		return read_isr(transport);
	if (offset >= DEVICE_AT)
		return load(device->config, device->config_size, offset - DEVICE_AT, size);
	show_common(transport, common);
	return load(common, sizeof(common), offset - COMMON_AT, size);
}

uint64_t virtio_pci_registers_read(struct virtio_pci *transport, uint64_t offset, unsigned size)
{
	pthread_mutex_lock(&transport->device->lock);
	uint64_t value = read_locked(transport, offset, size);
	pthread_mutex_unlock(&transport->device->lock);
	return value;
}

/* Section 3.1.1: what was accepted stays, once both sides have said so. */
static void write_features(struct virtio_pci *transport, uint32_t value)
{
	struct virtio_state *state = &transport->device->state;
	uint32_t select = transport->state.driver_feature_select;
	if (select > 1 || state->status & VIRTIO_STATUS_FEATURES_OK)
		return;
	uint64_t mask = UINT64_C(0xffffffff) << (32 * select);
	state->features = (state->features & ~mask) | (uint64_t)value << (32 * select);
}

static uint16_t known_vector(const struct virtio_pci *transport, uint16_t vector)
{
	return vector <= transport->device->n_queues ? vector : VIRTQUEUE_NO_VECTOR;
}

static void write_queue_size(struct virtqueue *queue, uint16_t size)
{
	if (size > 0 && size <= VIRTQUEUE_SIZE_MAX && (size & (size - 1)) == 0)
		queue->size = size;
}

static void write_half(uint64_t *address, bool high, uint32_t value)
{
	*address = high ? (*address & UINT32_MAX) | (uint64_t)value << 32 : (*address & ~(uint64_t)UINT32_MAX) | value;
}

/* What a queue is may be written until it is started. */
static void write_queue(struct virtio_pci *transport, uint64_t field, uint32_t value)
{
	struct virtqueue *queue = selected(transport);
	if (!queue || (queue->ready && field != QUEUE_VECTOR))
		return;
	switch (field) {
	case QUEUE_SIZE:
		write_queue_size(queue, (uint16_t)value);
		return;
	case QUEUE_VECTOR:
		queue->vector = known_vector(transport, (uint16_t)value);
		return;
	case QUEUE_ENABLE:
		if (value == 1)
			virtio_start_queue(transport->device, transport->state.queue_select);
		return;
	case QUEUE_DESCRIPTORS:
	case QUEUE_DESCRIPTORS + 4:
		write_half(&queue->descriptors, field != QUEUE_DESCRIPTORS, value);
		return;
	case QUEUE_AVAILABLE:
	case QUEUE_AVAILABLE + 4:
		write_half(&queue->available, field != QUEUE_AVAILABLE, value);
		return;
	case QUEUE_USED:
	case QUEUE_USED + 4:
		write_half(&queue->used, field != QUEUE_USED, value);
		return;
	}
}

void virtio_pci_reset_state(struct virtio_pci *transport)
{
	transport->state = (struct virtio_pci_state){.config_vector = VIRTQUEUE_NO_VECTOR};
}

static void write_status(struct virtio_pci *transport, uint8_t status)
{
	virtio_set_status(transport->device, status);
	if (status == 0)
		virtio_pci_reset_state(transport);
}

/* How wide a field is that a driver may write; 0 where there is none. */
static unsigned width_of(uint64_t field)
{
	switch (field) {
	case DEVICE_STATUS:
		return 1;
	case CONFIG_VECTOR:
	case QUEUE_SELECT:
	case QUEUE_SIZE:
	case QUEUE_VECTOR:
	case QUEUE_ENABLE:
		return 2;
	case DEVICE_FEATURE_SELECT:
	case DRIVER_FEATURE_SELECT:
	case DRIVER_FEATURE:
		return 4;
	}
	return field >= QUEUE_DESCRIPTORS && field < COMMON_SIZE && field % 4 == 0 ? 4 : 0;
}

static void write_common(struct virtio_pci *transport, uint64_t field, unsigned size, uint32_t value)
{
	if (size != width_of(field))
		return;
	switch (field) {
	case DEVICE_FEATURE_SELECT:
		transport->state.device_feature_select = value;
		return;
	case DRIVER_FEATURE_SELECT:
		transport->state.driver_feature_select = value;
		return;
	case DRIVER_FEATURE:
		write_features(transport, value);
		return;
	case CONFIG_VECTOR:
		transport->state.config_vector = known_vector(transport, (uint16_t)value);
		return;
	case DEVICE_STATUS:
		write_status(transport, (uint8_t)value);
		return;
	case QUEUE_SELECT:
		transport->state.queue_select = (uint16_t)value;
		return;
	default:
		write_queue(transport, field, value);
		return;
	}
}

/* A driver may write an address as a whole: then its halves come one after the other. */
void virtio_pci_registers_write(struct virtio_pci *transport, uint64_t offset, unsigned size, uint64_t value)
{
	struct virtio_device *device = transport->device;
	if (offset >= KICKS_AT && (offset - KICKS_AT) / KICK_SIZE < device->n_queues) {
		virtio_kick(device, (unsigned)(offset - KICKS_AT) / KICK_SIZE);
		return;
	}
	if (offset >= COMMON_SIZE)
		return;
	pthread_mutex_lock(&device->lock);
	write_common(transport, offset, size < 4 ? size : 4, (uint32_t)value);
	if (size == 8 && offset >= QUEUE_DESCRIPTORS)
		write_common(transport, offset + 4, 4, (uint32_t)(value >> 32));
	pthread_mutex_unlock(&device->lock);
}
