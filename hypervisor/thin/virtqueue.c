/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/virtqueue.h"

#include <assert.h>

#include "base/bytes.h"
#include "hypervisor/thin/guest_memory.h"

/* Virtual I/O Device 1.1, sections 2.6.5, 2.6.6 and 2.6.8: the three parts of a ring. */
enum {
	DESCRIPTOR_SIZE = 16,
	DESCRIPTOR_NEXT = 1,
	DESCRIPTOR_WRITE = 2,
	DESCRIPTOR_INDIRECT = 4,

	RING_FLAGS = 0, /* of the available and of the used ring */
	RING_INDEX = 2,
	RING_ENTRIES = 4,
	RING_END = 6, /* flags, index, and the event index behind the entries */

	AVAILABLE_ENTRY = 2,
	USED_ENTRY = 8,
	AVAILABLE_NO_INTERRUPT = 1,
	USED_NO_KICK = 1,
};

struct descriptor {
	uint64_t address;
	uint32_t length;
	uint16_t flags, next;
};

/* Where descriptors are read from: the queue's own table, or an indirect one. */
struct table {
	uint64_t address;
	uint32_t entries;
	bool indirect;
};

void virtqueue_reset(struct virtqueue *queue)
{
	*queue = (struct virtqueue){.size = VIRTQUEUE_SIZE_MAX, .vector = VIRTQUEUE_NO_VECTOR};
}

static bool is_ram(const struct guest_memory *memory, uint64_t address, uint64_t size, unsigned alignment)
{
	return address % alignment == 0 && guest_memory_for_reading(memory, address, size);
}

const char *virtqueue_start(struct virtqueue *queue, const struct guest_memory *memory)
{
	if (!is_ram(memory, queue->descriptors, (uint64_t)DESCRIPTOR_SIZE * queue->size, DESCRIPTOR_SIZE) ||
	    !is_ram(memory, queue->available, RING_END + (uint64_t)AVAILABLE_ENTRY * queue->size, 2) ||
	    !is_ram(memory, queue->used, RING_END + (uint64_t)USED_ENTRY * queue->size, 4))
		return "laid a ring where there is no memory, or out of line";
	queue->next_available = queue->next_used = queue->interrupted = 0;
	queue->ready = true;
	return NULL;
}

static uint16_t load(const struct guest_memory *memory, uint64_t address)
{
	uint16_t value = 0;
	bool there = guest_memory_load16(memory, address, &value);
	assert(there);
	return value;
}

static void store(struct guest_memory *memory, uint64_t address, uint16_t value)
{
	bool there = guest_memory_store16(memory, address, value);
	assert(there);
}

static uint64_t used_event(const struct virtqueue *queue)
{
	return queue->available + RING_ENTRIES + (uint64_t)AVAILABLE_ENTRY * queue->size;
}

static uint64_t available_event(const struct virtqueue *queue)
{
	return queue->used + RING_ENTRIES + (uint64_t)USED_ENTRY * queue->size;
}

static const char *load_descriptor(const struct guest_memory *memory, const struct table *table, uint16_t index,
				   struct descriptor *ret)
{
	uint8_t bytes[DESCRIPTOR_SIZE];
	if (index >= table->entries)
		return "pointed beyond its table of descriptors";
	bool there =
		guest_memory_read(memory, table->address + (uint64_t)DESCRIPTOR_SIZE * index, bytes, sizeof(bytes));
	assert(there);
	*ret = (struct descriptor){.address = bytes_load_le64(bytes),
				   .length = bytes_load_le32(bytes + 8),
				   .flags = bytes_load_le16(bytes + 12),
				   .next = bytes_load_le16(bytes + 14)};
	return NULL;
}

static const char *enter_indirect(const struct guest_memory *memory, const struct descriptor *descriptor,
				  struct table *table)
{
	if (table->indirect)
		return "put an indirect table into an indirect table";
	if (descriptor->flags & DESCRIPTOR_NEXT)
		return "went on behind an indirect table";
	if (descriptor->length == 0 || descriptor->length % DESCRIPTOR_SIZE != 0)
		return "gave an indirect table of half a descriptor";
	if (!guest_memory_for_reading(memory, descriptor->address, descriptor->length))
		return "laid an indirect table where there is no memory";
	*table = (struct table){
		.address = descriptor->address, .entries = descriptor->length / DESCRIPTOR_SIZE, .indirect = true};
	return NULL;
}

static const char *add_segment(const struct guest_memory *memory, const struct descriptor *descriptor,
			       struct virtqueue_chain *chain)
{
	bool writable = descriptor->flags & DESCRIPTOR_WRITE;
	uint32_t *bytes = writable ? &chain->writable_bytes : &chain->readable_bytes;
	uint16_t *n = writable ? &chain->n_writable : &chain->n_readable;
	unsigned at = chain->n_readable + chain->n_writable;
	if (at == VIRTQUEUE_SEGMENTS)
		return "made a chain of descriptors that is too long, or has no end";
	if (!writable && chain->n_writable > 0)
		return "put what the device reads behind what it writes";
	if (descriptor->length == 0 || __builtin_add_overflow(*bytes, descriptor->length, bytes))
		return "gave an empty buffer, or more than a request can have";
	if (!guest_memory_for_reading(memory, descriptor->address, descriptor->length))
		return "gave a buffer that is not in memory";
	chain->segments[at] = (struct virtqueue_segment){descriptor->address, descriptor->length};
	(*n)++;
	return NULL;
}

/* Each step adds a segment, or enters the one indirect table: so a chain without an end comes to one. */
static const char *gather(const struct virtqueue *queue, const struct guest_memory *memory,
			  struct virtqueue_chain *chain)
{
	struct table table = {.address = queue->descriptors, .entries = queue->size};
	struct descriptor descriptor = {.flags = DESCRIPTOR_NEXT, .next = chain->head};
	while (descriptor.flags & DESCRIPTOR_NEXT) {
		const char *why = load_descriptor(memory, &table, descriptor.next, &descriptor);
		if (!why && descriptor.flags & DESCRIPTOR_INDIRECT) {
			why = enter_indirect(memory, &descriptor, &table);
			descriptor = (struct descriptor){.flags = DESCRIPTOR_NEXT, .next = 0};
		} else if (!why) {
			why = add_segment(memory, &descriptor, chain);
		}
		if (why)
			return why;
	}
	return NULL;
}

enum virtqueue_take virtqueue_take(struct virtqueue *queue, const struct guest_memory *memory,
				   struct virtqueue_chain *ret, const char **ret_why)
{
	uint16_t waiting = (uint16_t)(load(memory, queue->available + RING_INDEX) - queue->next_available);
	if (waiting == 0)
		return VIRTQUEUE_EMPTY;
	if (waiting > queue->size) {
		*ret_why = "offered more requests than its ring has room for";
		return VIRTQUEUE_BROKEN;
	}
	uint64_t entry = RING_ENTRIES + (uint64_t)AVAILABLE_ENTRY * (queue->next_available % queue->size);
	ret->head = load(memory, queue->available + entry);
	ret->n_readable = ret->n_writable = 0;
	ret->readable_bytes = ret->writable_bytes = 0;
	const char *why = gather(queue, memory, ret);
	if (why) {
		*ret_why = why;
		return VIRTQUEUE_BROKEN;
	}
	queue->next_available++;
	return VIRTQUEUE_TAKEN;
}

void virtqueue_give_back(struct virtqueue *queue, unsigned n)
{
	queue->next_available = (uint16_t)(queue->next_available - n);
}

void virtqueue_put(struct virtqueue *queue, struct guest_memory *memory, const struct virtqueue_used *used, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t entry[USED_ENTRY];
		bytes_store_le32(entry, used[i].head);
		bytes_store_le32(entry + 4, used[i].written);
		uint64_t at = RING_ENTRIES + (uint64_t)USED_ENTRY * (queue->next_used % queue->size);
		bool there = guest_memory_write(memory, queue->used + at, entry, sizeof(entry));
		assert(there);
		queue->next_used++;
	}
	store(memory, queue->used + RING_INDEX, queue->next_used);
}

/*
 * Both sides store first and look at the other's store then (section 2.6.7): the fences keep it so, and one of the two
 * sees that the other has something for it.
 */
static void fence(void)
{
	__sync_synchronize();
}

bool virtqueue_wants_interrupt(struct virtqueue *queue, const struct guest_memory *memory)
{
	uint16_t since = (uint16_t)(queue->next_used - queue->interrupted);
	fence();
	queue->interrupted = queue->next_used;
	if (!queue->event_index)
		return !(load(memory, queue->available + RING_FLAGS) & AVAILABLE_NO_INTERRUPT);
	/* It wants one when the entry with this index is put, and it was put since. */
	uint16_t wanted = load(memory, used_event(queue));
	return (uint16_t)(queue->next_used - wanted - 1) < since;
}

void virtqueue_silence(struct virtqueue *queue, struct guest_memory *memory)
{
	/* With event indices it is silent by itself, until it is asked for a later index. */
	if (!queue->event_index)
		store(memory, queue->used + RING_FLAGS, USED_NO_KICK);
}

bool virtqueue_listen(struct virtqueue *queue, struct guest_memory *memory)
{
	if (queue->event_index)
		store(memory, available_event(queue), queue->next_available);
	else
		store(memory, queue->used + RING_FLAGS, 0);
	fence();
	return load(memory, queue->available + RING_INDEX) != queue->next_available;
}
