/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame that has come waits here until the driver has left room for it in the receive queue, in one buffer, or in as
 * many as it takes where the driver merges them. Until then the network is not listened to, and what comes behind it
 * waits in the host. Frames that are sent go straight from the guest's memory; what the network has taken of one is no
 * longer the guest's matter, so its rest goes out also while the driver is away.
 */
#include "hypervisor/thin/virtio_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/network.h"
#include "hypervisor/thin/virtio.h"
#include "hypervisor/thin/worker.h"

/* Virtual I/O Device 1.1, sections 5.1.2 to 5.1.4. */
enum { RECEIVE = 0, SEND = 1, QUEUES = 2 };
#define FEATURE_CHECKSUM (UINT64_C(1) << 0)
#define FEATURE_GUEST_CHECKSUM (UINT64_C(1) << 1)
#define FEATURE_MAC (UINT64_C(1) << 5)
#define FEATURE_GUEST_TSO4 (UINT64_C(1) << 7)
#define FEATURE_GUEST_TSO6 (UINT64_C(1) << 8)
#define FEATURE_SEND_TSO4 (UINT64_C(1) << 11)
#define FEATURE_SEND_TSO6 (UINT64_C(1) << 12)
#define FEATURE_MERGE (UINT64_C(1) << 15)
#define FEATURE_STATUS (UINT64_C(1) << 16)
enum { CONFIG_MAC = 0, CONFIG_STATUS = 6, CONFIG_SIZE = 8, STATUS_LINK_UP = 1 };

/* Section 5.1.6: in the header. */
enum { HEADER_FLAGS = 0, HEADER_KIND = 1, HEADER_BUFFERS = 10 };
enum { FLAG_NEEDS_CHECKSUM = 1 };
enum { KIND_WHOLE = 0, KIND_TCP4 = 1, KIND_TCP6 = 4 }; /* of segments that are to be cut */

/* Of one frame. The largest takes 43 of those that Linux leaves. */
enum { BUFFERS_MAX = 128 };

/* After so many frames the worker looks whether it shall park, or send. */
enum { FRAMES_AT_ONCE = 64 };

enum { SENTENCE_SIZE = 256 };

/* The only state beside what virtio and the network have: whether the link is up, which config tells. The frame that
 * waits is the host's, like those that wait in the network, and may be lost. */
struct virtio_net {
	struct virtio_device device;
	struct network *network;
	struct worker *worker;
	bool receives;	  /* there is room for frames */
	unsigned listens; /* to the network, as worker_listen() */
	unsigned left;	  /* to the guest, by the network: enum network_offloads */
	size_t waiting;	  /* bytes of the frame, with its header; 0: none waits */
	uint8_t frame[NETWORK_ROOM];
	struct virtqueue_chain first; /* of several buffers that a frame is laid into */
	struct virtqueue_used used[BUFFERS_MAX];
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
	unsigned what =
		WORKER_HUNG_UP | (net->receives ? WORKER_CAN_READ : 0) | (net->network->rest ? WORKER_CAN_WRITE : 0);
	if (net->listens != what && is_link_up(net))
		worker_listen(net->worker, net->network->ready, what);
	net->listens = what;
}

/* The network has closed its descriptor, so the worker hears no more of it. */
static void end_link(struct virtio_net *net, const struct err *err)
{
	const struct happenings *happenings = &net->device.board->happenings;
	char sentence[SENTENCE_SIZE];
	snprintf(sentence, sizeof(sentence), "%s: the link is down: %s", net->device.name, err_message(err));
	happenings->loss(happenings->arg, sentence);
	bytes_store_le16(net->device.config + CONFIG_STATUS, 0);
	virtio_config_changed(&net->device);
}

/* ---- From the network to the guest */

static bool accepts(const struct virtio_net *net, uint64_t feature)
{
	return net->device.state.features & feature;
}

/* A driver accepts no segments without checksums, and what it does not accept the network completes. */
static void settle_offloads(struct virtio_net *net)
{
	unsigned what = 0;
	if (accepts(net, FEATURE_GUEST_CHECKSUM))
		what = NETWORK_CHECKSUMS | (accepts(net, FEATURE_GUEST_TSO4) ? NETWORK_TCP4 : 0) |
		       (accepts(net, FEATURE_GUEST_TSO6) ? NETWORK_TCP6 : 0);
	if (what != net->left)
		net->network->ops->leave_to_guest(net->network, what);
	net->left = what;
}

/* The frame that waits may be empty, or have come for a driver before this one, who accepted more. */
static bool is_acceptable(struct virtio_net *net)
{
	bool checksums = accepts(net, FEATURE_GUEST_CHECKSUM);
	if (net->waiting <= NETWORK_HEADER)
		return false;
	if (net->frame[HEADER_FLAGS] & FLAG_NEEDS_CHECKSUM && !checksums)
		return false;
	if (!checksums)
		net->frame[HEADER_FLAGS] = 0;
	switch (net->frame[HEADER_KIND]) {
	case KIND_WHOLE:
		return true;
	case KIND_TCP4:
		return accepts(net, FEATURE_GUEST_TSO4);
	case KIND_TCP6:
		return accepts(net, FEATURE_GUEST_TSO6);
	default:
		return false;
	}
}

static bool merges(const struct virtio_net *net)
{
	return accepts(net, FEATURE_MERGE);
}

/* More than the ring can offer will never be there. For a driver that merges, and leaves less than a frame takes though
 * its ring could hold that, the frame waits, as it would in QEMU. */
static unsigned most_buffers(const struct virtio_net *net)
{
	unsigned all = net->device.state.queues[RECEIVE].size;
	if (!merges(net))
		return 1;
	return all < BUFFERS_MAX ? all : BUFFERS_MAX;
}

static bool take_buffer(struct virtio_net *net)
{
	struct virtio_device *device = &net->device;
	if (!virtio_take(device, RECEIVE) && !(virtio_listen(device, RECEIVE) && virtio_take(device, RECEIVE)))
		return false;
	if (device->chain.writable_bytes >= (merges(net) ? NETWORK_HEADER : NETWORK_HEADER + 1))
		return true;
	virtio_break(device, "left a receive buffer that holds no frame");
	return false;
}

/* The n-th buffer of the frame takes what it holds of the bytes from `done` on. Returns how many. */
static size_t fill_buffer(struct virtio_net *net, unsigned n, size_t done)
{
	const struct virtqueue_chain *chain = &net->device.chain;
	size_t left = net->waiting - done, part = left < chain->writable_bytes ? left : chain->writable_bytes;
	virtqueue_chain_write(chain, net->device.board->memory, 0, net->frame + done, part);
	net->used[n] = (struct virtqueue_used){chain->head, (uint32_t)part};
	if (n == 0 && part < left)
		net->first = *chain;
	return part;
}

/* The header says how many they are (section 5.1.6.4): one, unless it is found to be more. */
static void put_buffers(struct virtio_net *net, unsigned n)
{
	struct virtio_device *device = &net->device;
	uint8_t count[2];
	bytes_store_le16(count, (uint16_t)n);
	if (n > 1)
		virtqueue_chain_write(&net->first, device->board->memory, HEADER_BUFFERS, count, sizeof(count));
	virtio_put_all(device, RECEIVE, net->used, n);
}

/* The frame that waits. False where it goes on waiting: the driver was asked to kick when it adds buffers. One that no
 * number of buffers holds is lost. */
static bool deliver(struct virtio_net *net)
{
	unsigned n = 0, most = most_buffers(net);
	size_t done = 0;
	for (; done < net->waiting && n < most; n++) {
		if (!take_buffer(net)) {
			virtio_give_back(&net->device, RECEIVE, n);
			return false;
		}
		done += fill_buffer(net, n, done);
	}
	if (done == net->waiting)
		put_buffers(net, n);
	else
		virtio_give_back(&net->device, RECEIVE, n);
	net->waiting = 0;
	return true;
}

/* The next frame of the network waits. False where there is none for now. */
static bool fetch(struct virtio_net *net)
{
	AUTO(err_freep) struct err *err = NULL;
	enum network_result result = net->network->ops->receive(net->network, net->frame, &net->waiting, &err);
	if (result == NETWORK_DONE) {
		bytes_store_le16(net->frame + HEADER_BUFFERS, 1);
		return true;
	}
	net->waiting = 0;
	if (result == NETWORK_ENDED)
		end_link(net, err);
	return false;
}

static void receive(struct virtio_net *net)
{
	struct virtqueue *ring = &net->device.state.queues[RECEIVE];
	net->receives = virtio_is_up(&net->device) && ring->ready && is_link_up(net);
	if (!net->receives)
		return;
	settle_offloads(net);
	virtqueue_silence(ring, net->device.board->memory);
	for (int i = 0; i < FRAMES_AT_ONCE; i++) {
		if (net->waiting == 0 && !fetch(net))
			return;
		if (!is_acceptable(net))
			net->waiting = 0;
		else if (!deliver(net)) {
			net->receives = false;
			return;
		}
	}
	virtio_kick(&net->device, RECEIVE); /* a network may hold frames that its descriptor does not tell of */
}

/* What came before the network went is for nobody any more. */
static void drop_all(struct virtio_net *net)
{
	while (is_link_up(net) && fetch(net))
		net->waiting = 0;
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
	if (worker_hung_up(net->worker) && !net->receives)
		drop_all(net);
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

static void reset(struct virtio_device *device)
{
	net_of(device)->waiting = 0;
}

static const struct virtio_ops ops = {.serve = serve, .reset = reset, .watch = watch, .descriptors = descriptors};

static bool init(struct virtio_net *net, const struct board *board, const char *name, const uint8_t mac[6],
		 struct err **errp)
{
	uint8_t config[CONFIG_SIZE];
	char long_name[sizeof(net->device.name)];
	snprintf(long_name, sizeof(long_name), "network %s", name);
	memcpy(config + CONFIG_MAC, mac, 6);
	bytes_store_le16(config + CONFIG_STATUS, STATUS_LINK_UP);
	const uint64_t offloads = FEATURE_CHECKSUM | FEATURE_GUEST_CHECKSUM | FEATURE_GUEST_TSO4 | FEATURE_GUEST_TSO6 |
				  FEATURE_SEND_TSO4 | FEATURE_SEND_TSO6;
	struct virtio_kind kind = {.ops = &ops,
				   .type = VIRTIO_NETWORK,
				   .name = long_name,
				   .n_queues = QUEUES,
				   .features = FEATURE_MAC | FEATURE_MERGE | FEATURE_STATUS |
					       (net->network->offloads ? offloads : 0),
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
