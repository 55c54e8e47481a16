/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind a network card: a TAP interface in a network namespace of our own, and passt's protocol over a real
 * socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/network.h"
#include "tests/error.h"
#include "tests/folder.h"
#include "tests/hypervisor/thin/tap.h"

enum { FRAME = 100 };

static void wait_readable(int fd)
{
	struct pollfd descriptor = {.fd = fd, .events = POLLIN};
	assert_int_equal(poll(&descriptor, 1, 30000), 1);
}

/* ---- passt ---- */

struct peer {
	int fd;
	struct network *network;
};

static void listen_at(const char *path, int *ret)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	*ret = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(*ret, 1), 0);
}

static struct peer connect_passt(void)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(file_closep) int listening = -1;
	listen_at("sock", &listening);
	struct network *network = network_open_passt("sock", &err);
	assert_non_null(network);
	return (struct peer){.fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC), .network = network};
}

static void leave(struct peer *peer)
{
	network_free(peer->network);
	file_closep(&peer->fd);
}

static void write_frame(int fd, uint8_t value, uint32_t size)
{
	uint8_t bytes[4 + NETWORK_FRAME_MAX];
	uint32_t length = htonl(size);
	assert_true(size <= NETWORK_FRAME_MAX);
	memcpy(bytes, &length, 4);
	memset(bytes + 4, value, size);
	assert_int_equal(write(fd, bytes, 4 + size), 4 + size);
}

static enum network_result receive(struct network *network, uint8_t *to, size_t *ret_size, struct err **errp)
{
	*ret_size = SIZE_MAX;
	return network->ops->receive(network, to, ret_size, errp);
}

static void frames_come_whole(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(leave) struct peer peer = connect_passt();
	uint8_t bytes[NETWORK_ROOM], half[54];
	size_t size;
	assert_int_equal(receive(peer.network, bytes, &size, &err), NETWORK_LATER);
	write_frame(peer.fd, 7, FRAME);
	write_frame(peer.fd, 8, 1500);
	assert_int_equal(receive(peer.network, bytes, &size, &err), NETWORK_DONE);
	assert_int_equal(size, NETWORK_HEADER + FRAME);
	assert_int_equal(bytes[NETWORK_HEADER - 1], 0);
	assert_int_equal(bytes[NETWORK_HEADER], 7);
	assert_int_equal(bytes[NETWORK_HEADER + FRAME - 1], 7);
	assert_int_equal(receive(peer.network, bytes, &size, &err), NETWORK_DONE);
	assert_int_equal(size, NETWORK_HEADER + 1500);
	assert_int_equal(bytes[NETWORK_HEADER + 1499], 8);
	write_frame(peer.fd, 6, NETWORK_FRAME_MAX);
	assert_int_equal(receive(peer.network, bytes, &size, &err), NETWORK_DONE);
	assert_int_equal(size, NETWORK_ROOM);
	assert_int_equal(bytes[NETWORK_ROOM - 1], 6);
	/* In two halves. */
	memset(half, 9, sizeof(half));
	uint32_t length = htonl(FRAME);
	memcpy(half, &length, 4);
	assert_int_equal(write(peer.fd, half, 54), 54);
	assert_int_equal(receive(peer.network, bytes, &size, &err), NETWORK_LATER);
	memset(half, 9, sizeof(half));
	assert_int_equal(write(peer.fd, half, 50), 50);
	assert_int_equal(receive(peer.network, bytes, &size, &err), NETWORK_DONE);
	assert_int_equal(size, NETWORK_HEADER + FRAME);
	assert_int_equal(bytes[NETWORK_HEADER + FRAME - 1], 9);
}

static void passt_that_goes_is_the_end(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(leave) struct peer peer = connect_passt();
	uint8_t bytes[NETWORK_ROOM];
	size_t size;
	file_closep(&peer.fd);
	assert_int_equal(receive(peer.network, bytes, &size, &err), NETWORK_ENDED);
	assert_int_equal(err_code(err), ERR_GONE);
	assert_int_equal(peer.network->ready, -1);
}

static void a_length_out_of_bounds_is_the_end(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(leave) struct peer peer = connect_passt();
	uint8_t bytes[NETWORK_ROOM];
	size_t size;
	assert_int_equal(write(peer.fd, "\xff\xff\xff\xff", 4), 4);
	assert_int_equal(receive(peer.network, bytes, &size, &err), NETWORK_ENDED);
}

static enum network_result send_frame(struct network *network, uint8_t *bytes, size_t size, struct err **errp)
{
	struct iovec vectors[3] = {{bytes, 5}, {bytes + 5, 10}, {bytes + 15, size - 15}};
	return network->ops->send(network, vectors, 3, size, errp);
}

static void read_all(int fd, uint8_t *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fd, to + done, size - done);
		assert_true(n > 0);
		done += (size_t)n;
	}
}

/* Until the socket is full; then the other side reads all, and sees whole frames alone, whatever was lost. */
static void frames_go_whole_or_not_at_all(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(leave) struct peer peer = connect_passt();
	static uint8_t bytes[NETWORK_HEADER + 60001], got[65536];
	uint32_t length;
	unsigned frames = 0;
	for (int i = 0; i < 50; i++) {
		memset(bytes, i, sizeof(bytes));
		assert_int_equal(send_frame(peer.network, bytes, sizeof(bytes), &err), NETWORK_DONE);
	}
	for (struct pollfd waiting = {.fd = peer.fd, .events = POLLIN}; poll(&waiting, 1, 0) == 1; frames++) {
		read_all(peer.fd, (uint8_t *)&length, 4);
		assert_int_equal(ntohl(length), 60001);
		/* The end of a frame that was begun goes before anything else. */
		bytes[NETWORK_HEADER] = 0xaa;
		assert_int_equal(send_frame(peer.network, bytes, NETWORK_HEADER + 60001, &err), NETWORK_DONE);
		read_all(peer.fd, got, 60001);
		assert_int_equal(got[1], got[60000]);
		if (frames > 200)
			break;
	}
	assert_true(frames > 2);
}

static void a_reader_that_is_gone_is_no_signal(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(leave) struct peer peer = connect_passt();
	uint8_t bytes[NETWORK_HEADER + FRAME] = {0};
	file_closep(&peer.fd);
	assert_int_equal(send_frame(peer.network, bytes, sizeof(bytes), &err), NETWORK_ENDED);
}

static void no_passt_is_said(void **state)
{
	(void)state;
	int listening;
	AUTO(err_freep) struct err *err = NULL;
	assert_null(network_open_passt("nothing", &err));
	assert_error(&err, ERR_NOT_FOUND, "no passt listens at nothing, where there is nothing");
	AUTO(file_closep) int file = open("file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_null(network_open_passt("file", &err));
	assert_error(&err, ERR_USAGE, "file is no socket");
	listen_at("left", &listening);
	file_closep(&listening);
	assert_null(network_open_passt("left", &err));
	assert_error(&err, ERR_NOT_FOUND, "no passt listens at left any more");
}

/* ---- TAP ---- */

static bool in_own_network;

static int enter_network(void **state)
{
	if (folder_enter(state) != 0)
		return -1;
	in_own_network = tap_enter_network();
	return 0;
}

static void fill_frame(uint8_t *frame, size_t size, uint8_t value)
{
	memset(frame, 0xff, 12); /* to all, from nobody */
	frame[6] = 2;
	frame[12] = 0x88; /* a protocol for experiments: IEEE 802's 0x88b5 */
	frame[13] = 0xb5;
	memset(frame + 14, value, size - 14);
}

static bool is_ours(const uint8_t *frame)
{
	return frame[12] == 0x88 && frame[13] == 0xb5;
}

static struct network *must_open_tap(const char *name)
{
	AUTO(err_freep) struct err *err = NULL;
	struct network *network = network_open_tap(name, &err);
	if (!network)
		fail_msg("%s", err_message(err));
	return network;
}

static void a_tap_carries_frames(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	if (!in_own_network)
		skip();
	close(tap_make("tap0", true));
	AUTO(network_freep) struct network *network = must_open_tap("tap0");
	AUTO(file_closep) int host = tap_open_host("tap0");
	uint8_t frame[1514], bytes[NETWORK_ROOM] = {0};
	size_t size;
	fill_frame(frame, sizeof(frame), 0x5a);
	assert_int_equal(write(host, frame, sizeof(frame)), sizeof(frame));
	do {
		wait_readable(network->ready);
		assert_int_equal(receive(network, bytes, &size, &err), NETWORK_DONE);
	} while (!is_ours(bytes + NETWORK_HEADER));
	assert_int_equal(size, NETWORK_HEADER + sizeof(frame));
	assert_memory_equal(bytes + NETWORK_HEADER, frame, sizeof(frame));
	memset(bytes, 0, NETWORK_HEADER);
	fill_frame(bytes + NETWORK_HEADER, 1000, 0x77);
	assert_int_equal(send_frame(network, bytes, NETWORK_HEADER + 1000, &err), NETWORK_DONE);
	do {
		wait_readable(host);
		assert_true(read(host, frame, sizeof(frame)) > 14);
	} while (!is_ours(frame) || frame[14] != 0x77);
}

static size_t receive_segment(struct network *network, uint8_t *bytes)
{
	AUTO(err_freep) struct err *err = NULL;
	size_t size;
	do {
		wait_readable(network->ready);
		assert_int_equal(receive(network, bytes, &size, &err), NETWORK_DONE);
	} while (!tap_is_segment(bytes + NETWORK_HEADER, size - NETWORK_HEADER));
	return size - NETWORK_HEADER;
}

/* And cuts them, and completes their checksums, as long as the guest does not. */
static void a_tap_leaves_segments_to_the_guest(void **state)
{
	(void)state;
	if (!in_own_network)
		skip();
	close(tap_make("tap1", true));
	AUTO(network_freep) struct network *network = must_open_tap("tap1");
	uint8_t bytes[NETWORK_ROOM];
	for (unsigned round = 0; round < 2; round++) {
		tap_send_segments("tap1");
		for (unsigned i = 0; i < TAP_SEGMENTS; i++) {
			assert_int_equal(receive_segment(network, bytes), TAP_HEADERS + TAP_PAYLOAD);
			assert_int_equal(bytes[0] & 1, 0);
			assert_int_equal(bytes[1], 0);
		}
		network->ops->leave_to_guest(network, NETWORK_CHECKSUMS | NETWORK_TCP4);
		tap_send_segments("tap1");
		assert_int_equal(receive_segment(network, bytes), TAP_HEADERS + TAP_SEGMENTS * TAP_PAYLOAD);
		assert_int_equal(bytes[0] & 1, 1);
		assert_int_equal(bytes[1], 1);
		network->ops->leave_to_guest(network, 0);
	}
}

static void nonsense_in_headers_is_lost(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	if (!in_own_network)
		skip();
	close(tap_make("tap2", true));
	AUTO(network_freep) struct network *network = must_open_tap("tap2");
	uint8_t bytes[NETWORK_HEADER + FRAME];
	for (unsigned value = 0; value < 256; value++) {
		memset(bytes, (int)value, NETWORK_HEADER);
		fill_frame(bytes + NETWORK_HEADER, FRAME, 0);
		assert_int_equal(send_frame(network, bytes, sizeof(bytes), &err), NETWORK_DONE);
	}
}

static void assert_refused(const char *name, enum err_code code, const char *words)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_null(network_open_tap(name, &err));
	assert_error_about(&err, code, name, words);
}

static void what_is_no_free_tap_is_refused(void **state)
{
	(void)state;
	if (!in_own_network)
		skip();
	assert_refused("tap-missing", ERR_NOT_FOUND, "there is no TAP interface");
	assert_int_equal(if_nametoindex("tap-missing"), 0);
	assert_refused("lo", ERR_FAILED, "is no TAP interface");
	assert_refused("a-name-that-is-too-long", ERR_USAGE, "cannot be the name");
	close(tap_make("tap3", true));
	AUTO(network_freep) struct network *network = must_open_tap("tap3");
	assert_refused("tap3", ERR_BUSY, "in use");
}

static void a_tap_that_goes_is_the_end(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	uint8_t bytes[NETWORK_ROOM];
	size_t size;
	if (!in_own_network)
		skip();
	close(tap_make("tap4", true));
	AUTO(network_freep) struct network *network = must_open_tap("tap4");
	if (system("ip link delete tap4") != 0) // NOLINT(cert-env33-c): as a person would
		skip();
	assert_int_equal(receive(network, bytes, &size, &err), NETWORK_ENDED);
	assert_int_equal(err_code(err), ERR_GONE);
	assert_int_equal(network->ready, -1);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, folder_enter, folder_leave)
#define TAP_TEST(function) cmocka_unit_test_setup_teardown(function, enter_network, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frames_come_whole),
		TEST(passt_that_goes_is_the_end),
		TEST(a_length_out_of_bounds_is_the_end),
		TEST(frames_go_whole_or_not_at_all),
		TEST(a_reader_that_is_gone_is_no_signal),
		TEST(no_passt_is_said),
		TAP_TEST(a_tap_carries_frames),
		TAP_TEST(a_tap_leaves_segments_to_the_guest),
		TAP_TEST(nonsense_in_headers_is_lost),
		TAP_TEST(what_is_no_free_tap_is_refused),
		TAP_TEST(a_tap_that_goes_is_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
