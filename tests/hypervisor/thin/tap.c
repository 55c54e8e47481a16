/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/hypervisor/thin/tap.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit.h"

enum { PORT = 7007 };

bool tap_enter_network(void)
{
	return access("/dev/net/tun", R_OK | W_OK) == 0 && unshare(CLONE_NEWNET) == 0;
}

static void set_flags(const char *interface, short flags)
{
	struct ifreq request = {.ifr_flags = flags};
	AUTO(file_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
}

int tap_make(const char *name, bool stays)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, stays), 0);
	set_flags(name, IFF_UP);
	return fd;
}

int tap_open_host(const char *interface)
{
	struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	address.sll_ifindex = (int)if_nametoindex(interface);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

struct segments {
	struct virtio_net_hdr offloads;
	struct ether_header ethernet;
	struct iphdr ip;
	struct tcphdr tcp;
	uint8_t payload[TAP_SEGMENTS * TAP_PAYLOAD];
} __attribute__((packed));

void tap_send_segments(const char *interface)
{
	static const int on = 1;
	struct segments segments = {
		.offloads = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			     .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			     .hdr_len = TAP_HEADERS,
			     .gso_size = TAP_PAYLOAD,
			     .csum_start = sizeof(struct ether_header) + sizeof(struct iphdr),
			     .csum_offset = offsetof(struct tcphdr, check)},
		.ethernet = {.ether_dhost = {2, 0, 0, 0, 0, 9}, .ether_shost = {2}, .ether_type = htons(ETHERTYPE_IP)},
		.ip = {.version = 4,
		       .ihl = 5,
		       .ttl = 9,
		       .protocol = IPPROTO_TCP,
		       .tot_len = htons(sizeof(struct segments) - offsetof(struct segments, ip)),
		       .saddr = htonl(0x0a000001),
		       .daddr = htonl(0x0a000002)},
		.tcp = {.source = htons(PORT), .dest = htons(PORT), .doff = 5, .ack = 1}};
	AUTO(file_closep) int host = tap_open_host(interface);
	assert_int_equal(setsockopt(host, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	assert_int_equal(write(host, &segments, sizeof(segments)), sizeof(segments));
}

bool tap_is_segment(const uint8_t *frame, size_t size)
{
	struct segments segments;
	const size_t skipped = offsetof(struct segments, ethernet);
	if (size < TAP_HEADERS)
		return false;
	memcpy(&segments.ethernet, frame, offsetof(struct segments, payload) - skipped);
	return segments.ethernet.ether_type == htons(ETHERTYPE_IP) && segments.ip.protocol == IPPROTO_TCP &&
	       segments.tcp.source == htons(PORT);
}
