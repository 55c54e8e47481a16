/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a request. A chain's segments were checked when it was taken: here everything lies in RAM. */
#include "hypervisor/thin/virtqueue.h"

#include <assert.h>
#include <string.h>

#include "hypervisor/thin/guest_memory.h"

/* A walk over the bytes of segments, from one place on, for so many bytes. */
struct walk {
	const struct virtqueue_segment *segment;
	uint64_t skip; /* in that segment */
	size_t left;
};

struct piece {
	uint64_t address;
	size_t size;
};

static struct walk walk_readable(const struct virtqueue_chain *chain, uint32_t offset, size_t size)
{
	assert(offset <= chain->readable_bytes && size <= chain->readable_bytes - offset);
	return (struct walk){chain->segments, offset, size};
}

static struct walk walk_writable(const struct virtqueue_chain *chain, uint32_t offset, size_t size)
{
	assert(offset <= chain->writable_bytes && size <= chain->writable_bytes - offset);
	return (struct walk){chain->segments + chain->n_readable, offset, size};
}

static bool walk_on(struct walk *walk, struct piece *ret)
{
	if (walk->left == 0)
		return false;
	while (walk->skip >= walk->segment->length) {
		walk->skip -= walk->segment->length;
		walk->segment++;
	}
	size_t there = walk->segment->length - walk->skip;
	*ret = (struct piece){walk->segment->address + walk->skip, walk->left < there ? walk->left : there};
	walk->skip += ret->size;
	walk->left -= ret->size;
	return true;
}

void virtqueue_chain_read(const struct virtqueue_chain *chain, const struct guest_memory *memory, uint32_t offset,
			  void *data, size_t size)
{
	struct walk walk = walk_readable(chain, offset, size);
	struct piece piece;
	for (uint8_t *to = data; walk_on(&walk, &piece); to += piece.size) {
		bool there = guest_memory_read(memory, piece.address, to, piece.size);
		assert(there);
	}
}

void virtqueue_chain_write(const struct virtqueue_chain *chain, struct guest_memory *memory, uint32_t offset,
			   const void *data, size_t size)
{
	struct walk walk = walk_writable(chain, offset, size);
	struct piece piece;
	for (const uint8_t *from = data; walk_on(&walk, &piece); from += piece.size) {
		bool there = guest_memory_write(memory, piece.address, from, piece.size);
		assert(there);
	}
}

int virtqueue_chain_readable(const struct virtqueue_chain *chain, const struct guest_memory *memory, uint32_t offset,
			     size_t size, struct iovec ret[VIRTQUEUE_SEGMENTS])
{
	struct walk walk = walk_readable(chain, offset, size);
	struct piece piece;
	int n = 0;
	for (; walk_on(&walk, &piece); n++) {
		const uint8_t *host = guest_memory_for_reading(memory, piece.address, piece.size);
		assert(host);
		ret[n] = (struct iovec){(uint8_t *)(uintptr_t)host, piece.size}; /* an iovec knows no const */
	}
	return n;
}

int virtqueue_chain_writable(const struct virtqueue_chain *chain, struct guest_memory *memory, uint32_t offset,
			     size_t size, struct iovec ret[VIRTQUEUE_SEGMENTS])
{
	struct walk walk = walk_writable(chain, offset, size);
	struct piece piece;
	int n = 0;
	for (; walk_on(&walk, &piece); n++) {
		ret[n] = (struct iovec){guest_memory_for_writing(memory, piece.address, piece.size), piece.size};
		assert(ret[n].iov_base);
	}
	return n;
}

void virtqueue_chain_wrote(const struct virtqueue_chain *chain, struct guest_memory *memory, uint32_t offset,
			   size_t size)
{
	struct walk walk = walk_writable(chain, offset, size);
	struct piece piece;
	while (walk_on(&walk, &piece))
		guest_memory_wrote(memory, piece.address, piece.size);
}
