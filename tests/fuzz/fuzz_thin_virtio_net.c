/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings and frames of a network card; see virtio_fuzz.h. Behind it is a network that always has another frame, of a
 * size that the last bytes of the input say, and that reads all that it is given.
 */
#include <assert.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/network.h"
#include "hypervisor/thin/virtio_net.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/hypervisor/thin/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SIZES_MAX = 16 };

static struct driver driver;
static uint8_t sizes[SIZES_MAX];
static size_t n_sizes;
static size_t sum;

static enum network_result receive(struct network *network, uint8_t *frame, size_t *ret_size, struct err **errp)
{
	(void)network;
	(void)errp;
	if (n_sizes == 0)
		return NETWORK_LATER;
	*ret_size = NETWORK_HEADER + 257 * (size_t)sizes[--n_sizes];
	memset(frame, (int)n_sizes, *ret_size);
	return NETWORK_DONE;
}

static enum network_result send_frame(struct network *network, const struct iovec *from, int n, size_t size,
				      struct err **errp)
{
	(void)network;
	(void)errp;
	size_t seen = 0;
	for (int i = 0; i < n; i++) {
		for (size_t at = 0; at < from[i].iov_len; at++)
			sum += ((const uint8_t *)from[i].iov_base)[at];
		seen += from[i].iov_len;
	}
	assert(seen == size && size > NETWORK_HEADER);
	return NETWORK_DONE;
}

static size_t descriptors(const struct network *network, int *ret)
{
	ret[0] = network->ready;
	return 1;
}

static void free_network(struct network *network)
{
	file_closep(&network->ready);
}

static const struct network_ops ops = {
	.receive = receive, .send = send_frame, .descriptors = descriptors, .free = free_network};

static void set_up(void)
{
	static struct network network = {.ops = &ops, .offloads = false};
	static const uint8_t mac[6] = {2};
	AUTO(err_freep) struct err *err = NULL;
	driver_init_with(&driver, VIRTIO_FUZZ_MEMORY);
	network.ready = eventfd(0, EFD_CLOEXEC);
	struct virtio_net *net = virtio_net_new(&driver.board, "net0", mac, &network, &err);
	assert(net);
	driver_attach(&driver, virtio_net_device(net));
	driver_make_worker(&driver, JAIL_NETWORK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!driver.device)
		set_up();
	n_sizes = size < SIZES_MAX ? size : SIZES_MAX;
	if (n_sizes > 0)
		memcpy(sizes, data + size - n_sizes, n_sizes);
	virtio_fuzz(&driver, data, size);
	return 0;
}
