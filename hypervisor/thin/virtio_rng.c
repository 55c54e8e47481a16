/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/virtio_rng.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/virtio.h"

/* A driver gets at most so much at once, and asks again (section 5.4.6.2: at least one byte). */
enum { AT_ONCE = 4096 };

/* It has no state of its own. */
struct virtio_rng {
	struct virtio_device device;
};

/* The kernel's source is up long before a guest is, so this neither blocks nor fails. */
static void fill(uint8_t *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = getrandom(to + done, size - done, 0);
		assert(n > 0 || errno == EINTR);
		done += n > 0 ? (size_t)n : 0;
	}
}

static bool serve_one(struct virtio_device *device, unsigned queue)
{
	uint8_t bytes[AT_ONCE];
	uint32_t size = device->chain.writable_bytes < AT_ONCE ? device->chain.writable_bytes : AT_ONCE;
	if (size == 0) {
		virtio_break(device, "asked for random numbers and gave no room for them");
		return false;
	}
	fill(bytes, size);
	virtqueue_chain_write(&device->chain, device->board->memory, 0, bytes, size);
	virtio_put(device, queue, size);
	return true;
}

static void serve(struct virtio_device *device, unsigned queue)
{
	virtio_drain(device, queue, serve_one);
}

static const struct virtio_ops ops = {.serve = serve};

struct virtio_rng *virtio_rng_new(const struct board *board, struct err **errp)
{
	static const struct virtio_kind kind = {.ops = &ops, .type = VIRTIO_RNG, .name = "rng", .n_queues = 1};
	AUTO(virtio_rng_freep) struct virtio_rng *rng = calloc(1, sizeof(*rng));
	if (!rng) {
		err_set_no_memory(errp);
		return NULL;
	}
	return virtio_init(&rng->device, board, &kind, errp) ? STEAL(&rng) : NULL;
}

void virtio_rng_free(struct virtio_rng *rng)
{
	if (!rng)
		return;
	virtio_release(&rng->device);
	free(rng);
}

struct virtio_device *virtio_rng_device(struct virtio_rng *rng)
{
	return &rng->device;
}
