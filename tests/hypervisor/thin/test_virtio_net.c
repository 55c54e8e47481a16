/* SPDX-License-Identifier: Apache-2.0 */
/* The card over a real socket, in the place of passt. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/network.h"
#include "hypervisor/thin/virtio_net.h"
#include "hypervisor/thin/worker.h"
#include "tests/folder.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

#define MERGE (UINT64_C(1) << 15)
enum { RECEIVE = 0, SEND = 1, RING = 16, FRAME = 100, ROOM = 2048 };
#define SENT DRIVER_BUFFERS
#define LARGE (DRIVER_BUFFERS + 0x200000)
#define RECEIVED(head) (DRIVER_BUFFERS + 0x10000 + 0x1000 * (uint64_t)(head))

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};

static struct {
	struct driver driver;
	struct virtio_net *net;
	struct network *network; /* the card's */
	int peer;
} fixture;

/* The card over whatever network there is. */
static void make_card(struct network *network)
{
	AUTO(err_freep) struct err *err = NULL;
	fixture.network = network;
	fixture.net = virtio_net_new(&fixture.driver.board, "net0", mac, network, &err);
	driver_attach(&fixture.driver, virtio_net_device(fixture.net));
	driver_make_worker(&fixture.driver, JAIL_NETWORK);
}

/* Its worker does not run: it serves by driver_serve(). */
static int set_up_still(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "sock"};
	if (folder_enter(state) != 0)
		return -1;
	AUTO(file_closep) int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listening, 1) != 0)
		return -1;
	memset(&fixture, 0, sizeof(fixture));
	driver_init(&fixture.driver);
	struct network *network = network_open_passt("sock", &err);
	fixture.peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	make_card(network);
	return 0;
}

static int set_up(void **state)
{
	if (set_up_still(state) != 0)
		return -1;
	worker_go_on(fixture.driver.worker);
	return 0;
}

static int tear_down(void **state)
{
	driver_stop_worker(&fixture.driver);
	virtio_net_free(fixture.net);
	file_closep(&fixture.peer);
	driver_release(&fixture.driver);
	return folder_leave(state);
}

static void write_frames(unsigned n, uint8_t first, uint32_t size)
{
	static uint8_t bytes[4 + NETWORK_FRAME_MAX];
	uint32_t length = htonl(size);
	memcpy(bytes, &length, 4);
	for (unsigned i = 0; i < n; i++) {
		memset(bytes + 4, (uint8_t)(first + i), size);
		assert_int_equal(write(fixture.peer, bytes, 4 + size), 4 + size);
	}
}

static void leave_buffers(unsigned n, uint32_t size)
{
	for (unsigned i = 0; i < n; i++) {
		uint16_t next = fixture.driver.queues[RECEIVE].next_descriptor;
		struct driver_buffer buffer = {RECEIVED(next), size, DRIVER_WRITES};
		driver_add(&fixture.driver, RECEIVE, &buffer, 1);
	}
	driver_kick(&fixture.driver, RECEIVE, n);
}

static void assert_received(uint8_t value, uint32_t size)
{
	uint8_t bytes[ROOM];
	uint16_t head;
	uint32_t length;
	driver_wait_used(&fixture.driver, RECEIVE, 1);
	assert_true(driver_take_used(&fixture.driver, RECEIVE, &head, &length));
	assert_int_equal(length, NETWORK_HEADER + size);
	driver_read(&fixture.driver, RECEIVED(head), bytes, length);
	assert_true(bytes_all_zero(bytes, 10));
	assert_int_equal(bytes_load_le16(bytes + 10), 1); /* buffers */
	assert_int_equal(bytes[NETWORK_HEADER], value);
	assert_int_equal(bytes[length - 1], value);
}

static void read_all(uint8_t *to, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(fixture.peer, to + done, size - done);
		assert_true(n > 0);
		done += (size_t)n;
	}
}

static void the_configuration_is_told(void **state)
{
	(void)state;
	const struct virtio_device *device = fixture.driver.device;
	assert_memory_equal(device->config, mac, 6);
	assert_int_equal(bytes_load_le16(device->config + 6), 1);
	assert_true(device->offered & UINT64_C(1) << 5);
	assert_false(device->offered & 1); /* passt computes no checksums */
}

static void frames_are_received(void **state)
{
	(void)state;
	driver_bring_up(&fixture.driver, 0, RING);
	leave_buffers(8, ROOM);
	write_frames(3, 10, FRAME);
	for (uint8_t i = 0; i < 3; i++)
		assert_received((uint8_t)(10 + i), FRAME);
	write_frames(1, 99, 1514);
	assert_received(99, 1514);
	driver_stop_worker(&fixture.driver);
	assert_true(guest_memory_take_written(fixture.driver.memory, RECEIVED(0)));
}

/* With event indices: for the next entry. */
static void ask_for_interrupt(void)
{
	assert_true(guest_memory_store16(fixture.driver.memory, driver_available(RECEIVE) + 4 + 2 * RING,
					 fixture.driver.queues[RECEIVE].used));
}

/* More than there are buffers, and more than one turn of the worker: they wait. */
static void frames_wait_for_buffers(void **state)
{
	(void)state;
	enum { FRAMES = 200 };
	driver_bring_up(&fixture.driver, VIRTIO_FEATURE_EVENT_INDEX, RING);
	write_frames(FRAMES, 0, FRAME);
	for (unsigned i = 0; i < FRAMES; i++) {
		ask_for_interrupt();
		leave_buffers(1, ROOM);
		assert_received((uint8_t)i, FRAME);
	}
}

static void frames_from_before_the_driver_are_no_harm(void **state)
{
	(void)state;
	write_frames(5, 1, FRAME);
	driver_bring_up(&fixture.driver, 0, RING);
	leave_buffers(8, ROOM);
	for (uint8_t i = 1; i <= 5; i++)
		assert_received(i, FRAME);
}

static void a_small_buffer_loses_the_frame(void **state)
{
	(void)state;
	driver_bring_up(&fixture.driver, 0, RING);
	leave_buffers(1, 200);
	write_frames(1, 1, 1000);
	write_frames(1, 2, FRAME);
	assert_received(2, FRAME);
}

/* One frame, laid into n buffers of that size, of which all but the last are full. */
static void assert_received_merged(uint8_t value, uint32_t size, unsigned n, uint32_t buffer)
{
	uint8_t bytes[ROOM];
	uint16_t head;
	uint32_t length, left = NETWORK_HEADER + size;
	driver_wait_used(&fixture.driver, RECEIVE, n);
	for (unsigned i = 0; i < n; i++, left -= length) {
		assert_true(driver_take_used(&fixture.driver, RECEIVE, &head, &length));
		assert_int_equal(length, left < buffer ? left : buffer);
		driver_read(&fixture.driver, RECEIVED(head), bytes, length);
		assert_int_equal(bytes[length - 1], value);
		if (i > 0)
			assert_int_equal(bytes[0], value);
		else
			assert_int_equal(bytes_load_le16(bytes + 10), n);
	}
	assert_int_equal(left, 0);
}

static void a_frame_is_laid_into_several_buffers(void **state)
{
	(void)state;
	driver_bring_up(&fixture.driver, MERGE, RING);
	leave_buffers(16, 1000);
	write_frames(1, 7, 2987);
	write_frames(1, 8, 2988);
	write_frames(1, 9, FRAME);
	write_frames(1, 10, 2989);
	assert_received_merged(7, 2987, 3, 1000);
	assert_received_merged(8, 2988, 3, 1000);
	assert_received(9, FRAME);
	assert_received_merged(10, 2989, 4, 1000);
}

/* As passt's are, where the guest's MTU allows it. */
static void the_largest_frame_is_received(void **state)
{
	(void)state;
	driver_bring_up(&fixture.driver, MERGE | VIRTIO_FEATURE_EVENT_INDEX, 64);
	leave_buffers(64, 1536);
	write_frames(1, 3, NETWORK_FRAME_MAX);
	assert_received_merged(3, NETWORK_FRAME_MAX, 43, 1536);
}

/* It is not lost, nor is what comes behind it; however few the driver adds at a time. */
static void a_frame_waits_for_all_of_its_buffers(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		driver_bring_up(&fixture.driver, MERGE | (round % 2 ? VIRTIO_FEATURE_EVENT_INDEX : 0), RING);
		write_frames(1, 5, 2900);
		write_frames(1, 6, FRAME);
		for (unsigned i = 0; i < 4; i++)
			leave_buffers(1, 1000);
		assert_received_merged(5, 2900, 3, 1000);
		ask_for_interrupt();
		assert_received(6, FRAME);
	}
}

static bool is_served(uint32_t *ret_length)
{
	uint16_t head;
	driver_serve(&fixture.driver, RECEIVE);
	return driver_take_used(&fixture.driver, RECEIVE, &head, ret_length);
}

/* It came for the driver before. */
static void a_frame_that_waits_is_gone_with_its_driver(void **state)
{
	(void)state;
	uint32_t length;
	driver_bring_up(&fixture.driver, MERGE, RING);
	leave_buffers(1, 1000);
	write_frames(1, 1, 2900);
	assert_false(is_served(&length));
	driver_bring_up(&fixture.driver, 0, RING);
	leave_buffers(2, 4096);
	write_frames(1, 2, FRAME);
	assert_true(is_served(&length));
	assert_int_equal(length, NETWORK_HEADER + FRAME);
	assert_false(is_served(&length));
}

static void a_frame_without_bytes_is_none(void **state)
{
	(void)state;
	uint32_t length;
	driver_bring_up(&fixture.driver, MERGE, RING);
	leave_buffers(2, 1000);
	write_frames(1, 0, 0);
	write_frames(1, 1, FRAME);
	assert_true(is_served(&length));
	assert_int_equal(length, NETWORK_HEADER + FRAME);
}

/* The smallest that a driver may leave which merges them; and the count in the header lies in two segments. */
static void a_buffer_may_hold_the_header_alone(void **state)
{
	(void)state;
	uint32_t length;
	uint16_t head;
	const struct driver_buffer header[] = {{RECEIVED(0), 11, DRIVER_WRITES}, {RECEIVED(1), 1, DRIVER_WRITES}};
	driver_bring_up(&fixture.driver, MERGE, RING);
	driver_add(&fixture.driver, RECEIVE, header, 2);
	leave_buffers(1, 1000);
	write_frames(1, 1, FRAME);
	assert_true(is_served(&length));
	assert_int_equal(length, NETWORK_HEADER);
	assert_int_equal(driver_byte(&fixture.driver, RECEIVED(0) + 10), 2);
	assert_int_equal(driver_byte(&fixture.driver, RECEIVED(1)), 0);
	assert_true(driver_take_used(&fixture.driver, RECEIVE, &head, &length));
	assert_int_equal(length, FRAME);
}

static void a_later_buffer_without_room_is_a_misuse(void **state)
{
	(void)state;
	uint32_t length;
	driver_bring_up(&fixture.driver, MERGE, RING);
	leave_buffers(1, 1000);
	leave_buffers(1, NETWORK_HEADER - 1);
	write_frames(1, 1, 2000);
	assert_false(is_served(&length));
	assert_int_equal(fixture.driver.misuses, 1);
}

static void what_takes_too_many_buffers_is_lost(void **state)
{
	(void)state;
	uint32_t length;
	enum { LARGE_RING = 256, SMALL = 100, TOO_MANY = 129 };
	driver_bring_up(&fixture.driver, MERGE, LARGE_RING);
	for (unsigned i = 0; i < LARGE_RING; i++)
		driver_add(&fixture.driver, RECEIVE, &(struct driver_buffer){RECEIVED(0), SMALL, DRIVER_WRITES}, 1);
	write_frames(1, 1, TOO_MANY * SMALL - NETWORK_HEADER);
	write_frames(1, 2, FRAME / 2);
	assert_true(is_served(&length));
	assert_int_equal(length, NETWORK_HEADER + FRAME / 2);
}

static void what_no_ring_holds_is_lost(void **state)
{
	(void)state;
	driver_bring_up(&fixture.driver, MERGE, RING);
	leave_buffers(RING, 200);
	write_frames(1, 1, RING * 200);
	write_frames(1, 2, RING * 200 - NETWORK_HEADER);
	assert_received_merged(2, RING * 200 - NETWORK_HEADER, RING, 200);
	assert_int_equal(fixture.driver.misuses, 0);
}

static void send_frame(uint32_t size, uint8_t value)
{
	uint8_t bytes[NETWORK_HEADER + 2000] = {0};
	struct driver_buffer buffers[] = {{SENT, NETWORK_HEADER, DRIVER_READS}, {SENT + 0x100, size, DRIVER_READS}};
	memset(bytes, value, size);
	driver_write(&fixture.driver, SENT, "\0\0\0\0\0\0\0\0\0\0\0\0", NETWORK_HEADER);
	driver_write(&fixture.driver, SENT + 0x100, bytes, size);
	driver_add(&fixture.driver, SEND, buffers, 2);
	virtio_kick(fixture.driver.device, SEND);
}

static void frames_are_sent(void **state)
{
	(void)state;
	uint8_t bytes[4 + 1514];
	uint16_t head;
	uint32_t length;
	driver_bring_up(&fixture.driver, 0, RING);
	for (uint8_t i = 0; i < 100; i++) {
		send_frame(1514, i);
		read_all(bytes, sizeof(bytes));
		memcpy(&length, bytes, 4);
		assert_int_equal(ntohl(length), 1514);
		assert_int_equal(bytes[4], i);
		assert_int_equal(bytes[1517], i);
		driver_wait_used(&fixture.driver, SEND, 1);
		assert_true(driver_take_used(&fixture.driver, SEND, &head, &length));
		assert_int_equal(length, 0);
	}
}

/* A frame of zeros, which the card is done with before this returns. */
static void send_large_frame(uint32_t size)
{
	uint16_t head;
	uint32_t length;
	driver_add(&fixture.driver, SEND, &(struct driver_buffer){LARGE, NETWORK_HEADER + size, DRIVER_READS}, 1);
	virtio_kick(fixture.driver.device, SEND);
	driver_wait_used(&fixture.driver, SEND, 1);
	assert_true(driver_take_used(&fixture.driver, SEND, &head, &length));
}

static uint32_t read_frame(uint8_t *to, size_t room)
{
	uint32_t length;
	read_all((uint8_t *)&length, sizeof(length));
	assert_true(ntohl(length) <= room);
	read_all(to, ntohl(length));
	return ntohl(length);
}

/* As large as Linux makes them, with a VLAN tag; what is larger is lost, and harms nobody. */
static void frames_that_are_too_large_are_lost(void **state)
{
	(void)state;
	static uint8_t bytes[NETWORK_FRAME_MAX];
	driver_bring_up(&fixture.driver, 0, RING);
	send_large_frame(NETWORK_FRAME_MAX + 1);
	send_large_frame(1 << 20);
	send_large_frame(65554);
	assert_int_equal(read_frame(bytes, sizeof(bytes)), 65554);
	assert_int_equal(fixture.driver.misuses, 0);
}

static bool has_rest(void)
{
	pthread_mutex_lock(&fixture.driver.device->lock);
	bool rest = fixture.network->rest;
	pthread_mutex_unlock(&fixture.driver.device->lock);
	return rest;
}

/* Though the guest sends nothing more. */
static void the_rest_of_a_frame_follows(void **state)
{
	(void)state;
	static uint8_t bytes[NETWORK_FRAME_MAX];
	const struct timeval patience = {.tv_sec = 20};
	struct pollfd waiting = {.fd = fixture.peer, .events = POLLIN};
	unsigned frames = 0;
	assert_int_equal(setsockopt(fixture.peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	driver_bring_up(&fixture.driver, 0, RING);
	for (int i = 0; i < 100 && !has_rest(); i++)
		send_large_frame(60001);
	assert_true(has_rest());
	for (; has_rest() || poll(&waiting, 1, 0) == 1; frames++)
		assert_int_equal(read_frame(bytes, sizeof(bytes)), 60001);
	assert_true(frames > 0);
	send_large_frame(FRAME);
	assert_int_equal(read_frame(bytes, sizeof(bytes)), FRAME);
}

static void wait_misuse(void)
{
	struct driver *driver = &fixture.driver;
	pthread_mutex_lock(&driver->lock);
	while (driver->misuses == 0)
		pthread_cond_wait(&driver->asked, &driver->lock);
	pthread_mutex_unlock(&driver->lock);
}

static void a_frame_without_a_header_is_a_misuse(void **state)
{
	(void)state;
	driver_bring_up(&fixture.driver, 0, RING);
	driver_add(&fixture.driver, SEND, &(struct driver_buffer){SENT, NETWORK_HEADER, DRIVER_READS}, 1);
	virtio_kick(fixture.driver.device, SEND);
	wait_misuse();
	assert_non_null(strstr(fixture.driver.sentence, "network net0"));
}

static void a_buffer_without_room_is_a_misuse(void **state)
{
	(void)state;
	driver_bring_up(&fixture.driver, 0, RING);
	leave_buffers(1, NETWORK_HEADER);
	write_frames(1, 1, FRAME);
	wait_misuse();
}

/* The guest sees the link go down, sends to nobody, and lives. */
static void passt_that_goes_takes_the_link_down(void **state)
{
	(void)state;
	struct driver *driver = &fixture.driver;
	uint16_t head;
	uint32_t length;
	driver_bring_up(driver, 0, RING);
	leave_buffers(2, ROOM);
	file_closep(&fixture.peer);
	send_frame(FRAME, 1);
	driver_wait_used(driver, SEND, 1);
	assert_true(driver_take_used(driver, SEND, &head, &length));
	send_frame(FRAME, 1);
	driver_wait_used(driver, SEND, 1);
	driver_stop_worker(driver);
	assert_int_equal(bytes_load_le16(driver->device->config + 6), 0);
	assert_int_equal(driver->device->state.generation, 1);
	assert_int_equal(driver->changed, 1);
}

static void a_reset_in_the_middle(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		driver_bring_up(&fixture.driver, 0, RING);
		leave_buffers(4, ROOM);
		write_frames(1, 1, FRAME);
		send_frame(FRAME, 1);
	}
	driver_bring_up(&fixture.driver, 0, RING);
	leave_buffers(1, ROOM);
	write_frames(1, 1, FRAME);
	assert_received(1, FRAME);
}

#define STILL_TEST(function) cmocka_unit_test_setup_teardown(function, set_up_still, tear_down)
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_configuration_is_told),
		TEST(frames_are_received),
		TEST(frames_wait_for_buffers),
		TEST(frames_from_before_the_driver_are_no_harm),
		TEST(a_small_buffer_loses_the_frame),
		TEST(a_frame_is_laid_into_several_buffers),
		TEST(the_largest_frame_is_received),
		TEST(a_frame_waits_for_all_of_its_buffers),
		TEST(what_no_ring_holds_is_lost),
		STILL_TEST(a_frame_that_waits_is_gone_with_its_driver),
		STILL_TEST(a_frame_without_bytes_is_none),
		STILL_TEST(a_buffer_may_hold_the_header_alone),
		STILL_TEST(a_later_buffer_without_room_is_a_misuse),
		STILL_TEST(what_takes_too_many_buffers_is_lost),
		TEST(frames_are_sent),
		TEST(frames_that_are_too_large_are_lost),
		TEST(the_rest_of_a_frame_follows),
		TEST(a_frame_without_a_header_is_a_misuse),
		TEST(a_buffer_without_room_is_a_misuse),
		TEST(passt_that_goes_takes_the_link_down),
		TEST(a_reset_in_the_middle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
