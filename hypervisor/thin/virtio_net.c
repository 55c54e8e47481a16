/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames that have come are read straight into the buffers that the driver left in the receive queue. When there are
 * none the network is not listened to, and what comes waits in the host, until the driver kicks for new buffers. Frames
 * that are sent go straight from the guest's memory; what the network has taken of one is no longer the guest's matter,
 * so its rest goes out also while the driver is away.
 */
#include "hypervisor/thin/virtio_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/network.h"
#include "hypervisor/thin/virtio.h"
#include "hypervisor/thin/worker.h"

/* Virtual I/O Device 1.1, sections 5.1.2 to 5.1.4. */
enum { RECEIVE = 0, SEND = 1, QUEUES = 2 };
#define FEATURE_CHECKSUM (UINT64_C(1) << 0)
#define FEATURE_MAC (UINT64_C(1) << 5)
#define FEATURE_SEND_TSO4 (UINT64_C(1) << 11)
#define FEATURE_SEND_TSO6 (UINT64_C(1) << 12)
#define FEATURE_STATUS (UINT64_C(1) << 16)
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_SIZE = 8, STATUS_LINK_UP = 1 };

/* Section 5.1.6: in the header. */
enum { HEADER_BUFFERS = 10 };

/* After so many frames the worker looks whether it shall park, or send. */
enum { FRAMES_AT_ONCE = 64 };

/* The only state beside what virtio and the network have: whether the link is up, which config tells. */
struct virtio_net {
	struct virtio_device device;
	struct network *network;
	struct worker *worker;
	bool receives;	  /* there is room for frames */
	unsigned listens; /* to the network, as worker_listen() */
};

static struct virtio_net *net_of(struct virtio_device *device)
{
	return (struct virtio_net *)device;
}

static bool is_link_up(const struct virtio_net *net)
{
	return bytes_load_le16(net->device.config + CONFIG_STATUS) & STATUS_LINK_UP;
}

static void listen_to_network(struct virtio_net *net)
{
	unsigned what = (net->receives ? WORKER_CAN_READ : 0) | (net->network->rest ? WORKER_CAN_WRITE : 0);
	if (net->listens != what && is_link_up(net))
		worker_listen(net->worker, net->network->ready, what);
	net->listens = what;
}

/* The network has closed its descriptor, so the worker hears no more of it. */
static void end_link(struct virtio_net *net, const struct err *err)
{
	log_warning("%s: the link is down: %s", net->device.name, err_message(err));
	bytes_store_le16(net->device.config + CONFIG_STATUS, 0);
	virtio_config_changed(&net->device);
}

/* ---- From the network to the guest */

static bool has_room(struct virtio_net *net)
{
	return virtio_take(&net->device, RECEIVE) ||
	       (virtio_listen(&net->device, RECEIVE) && virtio_take(&net->device, RECEIVE));
}

/* Without merged buffers the header says that there is one (section 5.1.6.4). */
static void deliver(struct virtio_net *net, size_t size)
{
	struct virtio_device *device = &net->device;
	uint8_t one[2];
	bytes_store_le16(one, 1);
	virtqueue_chain_wrote(&device->chain, device->board->memory, 0, size);
	virtqueue_chain_write(&device->chain, device->board->memory, HEADER_BUFFERS, one, sizeof(one));
	virtio_put(device, RECEIVE, (uint32_t)size);
}

/* A frame for which there was no room has been lost, but its beginning is in the buffer. */
static void lose(struct virtio_net *net)
{
	struct virtio_device *device = &net->device;
	virtqueue_chain_wrote(&device->chain, device->board->memory, 0, device->chain.writable_bytes);
	virtio_give_back(device, RECEIVE);
}

/* One frame into the chain that was taken. False when that was the last for now. */
static bool receive_one(struct virtio_net *net)
{
	struct virtio_device *device = &net->device;
	const struct virtqueue_chain *chain = &device->chain;
	AUTO(err_freep) struct err *err = NULL;
	struct iovec to[VIRTQUEUE_SEGMENTS];
	size_t size = 0;
	if (chain->writable_bytes <= NETWORK_HEADER) {
		virtio_break(device, "left a receive buffer that holds no frame");
		return false;
	}
	int n = virtqueue_chain_writable(chain, device->board->memory, 0, chain->writable_bytes, to);
	enum network_result result = net->network->ops->receive(net->network, to, n, &size, &err);
	if (result == NETWORK_ENDED)
		end_link(net, err);
	if (result != NETWORK_DONE)
		virtio_give_back(device, RECEIVE);
	else if (size <= NETWORK_HEADER)
		lose(net);
	else
		deliver(net, size);
	return result == NETWORK_DONE;
}

static void receive(struct virtio_net *net)
{
	struct virtqueue *ring = &net->device.state.queues[RECEIVE];
	net->receives = virtio_is_up(&net->device) && ring->ready && is_link_up(net);
	if (!net->receives)
		return;
	virtqueue_silence(ring, net->device.board->memory);
	for (int i = 0; i < FRAMES_AT_ONCE; i++) {
		if (!has_room(net)) {
			net->receives = false;
			return;
		}
		if (!receive_one(net))
			return;
	}
	virtio_kick(&net->device, RECEIVE); /* a network may hold frames that its descriptor does not tell of */
}

static void send_rest(struct virtio_net *net)
{
	AUTO(err_freep) struct err *err = NULL;
	if (net->network->rest && net->network->ops->send_rest(net->network, &err) == NETWORK_ENDED)
		end_link(net, err);
}

static void on_ready(void *arg)
{
	struct virtio_net *net = arg;
	pthread_mutex_lock(&net->device.lock);
	send_rest(net);
	receive(net);
	listen_to_network(net);
	pthread_mutex_unlock(&net->device.lock);
}

/* ---- From the guest to the network */

/* Frames are lost where the network cannot take them, as on a wire, and so is what is no frame for its size. */
static bool send_one(struct virtio_device *device, unsigned queue)
{
	struct virtio_net *net = net_of(device);
	uint32_t size = device->chain.readable_bytes;
	AUTO(err_freep) struct err *err = NULL;
	struct iovec from[VIRTQUEUE_SEGMENTS];
	if (size <= NETWORK_HEADER) {
		virtio_break(device, "sent a frame without its header");
		return false;
	}
	int n = virtqueue_chain_readable(&device->chain, device->board->memory, 0, size, from);
	if (size <= NETWORK_HEADER + NETWORK_FRAME_MAX && is_link_up(net) &&
	    net->network->ops->send(net->network, from, n, size, &err) == NETWORK_ENDED)
		end_link(net, err);
	virtio_put(device, queue, 0);
	return true;
}

static void serve(struct virtio_device *device, unsigned queue)
{
	if (queue == SEND)
		virtio_drain(device, SEND, send_one);
	else
		receive(net_of(device));
	listen_to_network(net_of(device));
}

/* ---- Life */

static bool watch(struct virtio_device *device, struct worker *worker, struct err **errp)
{
	struct virtio_net *net = net_of(device);
	net->worker = worker;
	net->listens = WORKER_CAN_READ;
	return worker_watch(worker, net->network->ready, on_ready, net, errp);
}

static size_t descriptors(const struct virtio_device *device, int *ret)
{
	const struct network *network = ((const struct virtio_net *)device)->network;
	return network->ops->descriptors(network, ret);
}

static const struct virtio_ops ops = {.serve = serve, .watch = watch, .descriptors = descriptors};

static bool init(struct virtio_net *net, const struct board *board, const char *name, const uint8_t mac[6],
		 struct err **errp)
{
	uint8_t config[CONFIG_SIZE];
	char long_name[sizeof(net->device.name)];
	snprintf(long_name, sizeof(long_name), "network %s", name);
	memcpy(config + CONFIG_MAC, mac, 6);
	bytes_store_le16(config + CONFIG_STATUS, STATUS_LINK_UP);
	uint64_t segments = FEATURE_CHECKSUM | FEATURE_SEND_TSO4 | FEATURE_SEND_TSO6;
	struct virtio_kind kind = {.ops = &ops,
				   .type = VIRTIO_NETWORK,
				   .name = long_name,
				   .n_queues = QUEUES,
				   .features = FEATURE_MAC | FEATURE_STATUS | (net->network->segments ? segments : 0),
				   .config = config,
				   .config_size = sizeof(config)};
	return virtio_init(&net->device, board, &kind, errp);
}

struct virtio_net *virtio_net_new(const struct board *board, const char *name, const uint8_t mac[6],
				  struct network *network, struct err **errp)
{
	AUTO(network_freep) struct network *owned = network;
	AUTO(virtio_net_freep) struct virtio_net *net = calloc(1, sizeof(*net));
	if (!net) {
		err_set_no_memory(errp);
		return NULL;
	}
	net->network = STEAL(&owned);
	return init(net, board, name, mac, errp) ? STEAL(&net) : NULL;
}

void virtio_net_free(struct virtio_net *net)
{
	if (!net)
		return;
	virtio_release(&net->device);
	network_free(net->network);
	free(net);
}

struct virtio_device *virtio_net_device(struct virtio_net *net)
{
	return &net->device;
}
