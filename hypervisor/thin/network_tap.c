/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TAP interface (the kernel's Documentation/networking/tuntap.rst). It keeps a virtio header before each frame
 * itself; and it is told what of frames the guest completes itself, so that it cuts and
 * completes the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/network.h"

#define DEVICE "/dev/net/tun"

struct network_tap {
	struct network network;
	char interface[IFNAMSIZ];
};

static struct network_tap *tap_of(struct network *network)
{
	return (struct network_tap *)network;
}

/* The interface was deleted: the descriptor says EBADFD from then on, and nothing but closing it stops the worker's
 * waiting. */
static enum network_result end(struct network_tap *tap, struct err **errp)
{
	file_closep(&tap->network.ready);
	err_set(errp, ERR_GONE, "the TAP interface %s is gone: make it again", tap->interface);
	return NETWORK_ENDED;
}

static enum network_result tap_receive(struct network *network, uint8_t *frame, size_t *ret_size, struct err **errp)
{
	ssize_t size = TEMP_FAILURE_RETRY(read(network->ready, frame, NETWORK_ROOM));
	if (size < 0)
		return errno == EBADFD ? end(tap_of(network), errp) : NETWORK_LATER;
	*ret_size = (size_t)size;
	return NETWORK_DONE;
}

static void tap_leave_to_guest(struct network *network, unsigned what)
{
	unsigned long flags = (what & NETWORK_CHECKSUMS ? TUN_F_CSUM : 0) | (what & NETWORK_TCP4 ? TUN_F_TSO4 : 0) |
			      (what & NETWORK_TCP6 ? TUN_F_TSO6 : 0);
	ioctl(network->ready, TUNSETOFFLOAD, flags);
}

/* The interface may be down (EIO), its queue full (EAGAIN), or the header nonsense (EINVAL): the frame is lost. */
static enum network_result tap_send(struct network *network, const struct iovec *from, int n, size_t size,
				    struct err **errp)
{
	(void)size;
	ssize_t sent = TEMP_FAILURE_RETRY(writev(network->ready, from, n));
	return sent < 0 && errno == EBADFD ? end(tap_of(network), errp) : NETWORK_DONE;
}

static size_t tap_descriptors(const struct network *network, int *ret)
{
	ret[0] = network->ready;
	return 1;
}

static void tap_free(struct network *network)
{
	file_closep(&network->ready);
	free(network);
}

static const struct network_ops tap_ops = {.receive = tap_receive,
					   .send = tap_send,
					   .leave_to_guest = tap_leave_to_guest,
					   .descriptors = tap_descriptors,
					   .free = tap_free};

/* TUNSETIFF would make an interface that is not there. */
static bool is_there(const char *interface, struct err **errp)
{
	return if_nametoindex(interface) != 0 || err_set(errp, ERR_NOT_FOUND,
							 "there is no TAP interface %s: make it (ip tuntap add %s mode "
							 "tap), put it into a bridge, and set it up",
							 interface, interface);
}

static bool attach(struct network_tap *tap, struct err **errp)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	memcpy(request.ifr_name, tap->interface, sizeof(request.ifr_name));
	if (ioctl(tap->network.ready, TUNSETIFF, &request) == 0)
		return true;
	if (errno == EBUSY)
		return err_set(errp, ERR_BUSY, "the TAP interface %s is in use by another machine or program",
			       tap->interface);
	if (errno == EINVAL)
		return err_set(errp, ERR_FAILED,
			       "%s is no TAP interface, or one that was made for another use, as with several queues",
			       tap->interface);
	return err_set_errno(errp, errno, "the TAP interface %s", tap->interface);
}

static bool set_up(struct network_tap *tap, struct err **errp)
{
	int header = NETWORK_HEADER, little_endian = 1;
	if (ioctl(tap->network.ready, TUNSETVNETHDRSZ, &header) != 0 ||
	    ioctl(tap->network.ready, TUNSETVNETLE, &little_endian) != 0 ||
	    ioctl(tap->network.ready, TUNSETOFFLOAD, 0) != 0)
		return err_set_errno(errp, errno, "set up the TAP interface %s", tap->interface);
	return true;
}

static bool open_tap(struct network_tap *tap, struct err **errp)
{
	tap->network.ready = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (tap->network.ready < 0)
		return err_set_errno(errp, errno, "open " DEVICE " for the TAP interface %s", tap->interface);
	return attach(tap, errp) && set_up(tap, errp);
}

struct network *network_open_tap(const char *interface, struct err **errp)
{
	struct network_tap *tap = calloc(1, sizeof(*tap));
	if (!tap) {
		err_set_no_memory(errp);
		return NULL;
	}
	AUTO(network_freep) struct network *network = &tap->network;
	tap->network = (struct network){.ops = &tap_ops, .ready = -1, .offloads = true};
	if (strlen(interface) >= sizeof(tap->interface) || strchr(interface, '/')) {
		err_set(errp, ERR_USAGE, "'%s' cannot be the name of a TAP interface", interface);
		return NULL;
	}
	snprintf(tap->interface, sizeof(tap->interface), "%s", interface);
	return is_there(interface, errp) && open_tap(tap, errp) ? STEAL(&network) : NULL;
}
