/* SPDX-License-Identifier: Apache-2.0 */
/* The card over a TAP interface, whose frames ask a guest to complete them, if it accepts that. The card's turns are in
 * the test's thread. */
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/thin/network.h"
#include "hypervisor/thin/virtio_net.h"
#include "tests/folder.h"
#include "tests/hypervisor/thin/tap.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { RECEIVE = 0, RING = 16, BUFFER = 0x1000, GUEST_CHECKSUM = 1 << 1, GUEST_TSO4 = 1 << 7 };
#define BUFFER_OF(head) (DRIVER_BUFFERS + BUFFER * (uint64_t)(head))

static struct {
	struct driver driver;
	struct virtio_net *net; /* NULL: this user may have no TAP */
	unsigned n_buffers;	/* that the card has */
} fixture;

static int set_up(void **state)
{
	static const uint8_t mac[6] = {2};
	AUTO(err_freep) struct err *err = NULL;
	if (folder_enter(state) != 0)
		return -1;
	memset(&fixture, 0, sizeof(fixture));
	driver_init(&fixture.driver);
	if (!tap_enter_network())
		return 0;
	close(tap_make("tap0", true));
	fixture.net = virtio_net_new(&fixture.driver.board, "net0", mac, network_open_tap("tap0", &err), &err);
	driver_attach(&fixture.driver, virtio_net_device(fixture.net));
	driver_make_worker(&fixture.driver, JAIL_NETWORK);
	return 0;
}

static int tear_down(void **state)
{
	if (fixture.net)
		driver_stop_worker(&fixture.driver);
	virtio_net_free(fixture.net);
	driver_release(&fixture.driver);
	return folder_leave(state);
}

/* The card's turn. Of the pieces of TCP that it delivers *ret_first has the first. Returns how many. */
static unsigned serve(uint8_t ret_first[NETWORK_ROOM])
{
	uint8_t bytes[NETWORK_ROOM];
	uint16_t head;
	uint32_t length;
	unsigned n = 0;
	for (; fixture.n_buffers < RING - 1; fixture.n_buffers++) {
		struct driver_buffer buffer = {BUFFER_OF(fixture.driver.queues[RECEIVE].next_descriptor), BUFFER,
					       DRIVER_WRITES};
		driver_add(&fixture.driver, RECEIVE, &buffer, 1);
	}
	driver_serve(&fixture.driver, RECEIVE);
	for (; driver_take_used(&fixture.driver, RECEIVE, &head, &length); fixture.n_buffers--) {
		driver_read(&fixture.driver, BUFFER_OF(head), bytes, length);
		if (tap_is_segment(bytes + NETWORK_HEADER, length - NETWORK_HEADER) && n++ == 0)
			memcpy(ret_first, bytes, length);
	}
	return n;
}

static void bring_up(uint64_t features)
{
	uint8_t none[NETWORK_ROOM];
	fixture.n_buffers = 0;
	driver_bring_up(&fixture.driver, features, RING);
	assert_int_equal(serve(none), 0);
}

/* What came for a driver that accepted them, and waited, is not for one that does not. */
static void segments_are_for_who_accepts_them(void **state)
{
	(void)state;
	uint8_t first[NETWORK_ROOM] = {0};
	if (!fixture.net)
		skip();
	for (unsigned round = 0; round < 2; round++) {
		bring_up(GUEST_CHECKSUM | GUEST_TSO4);
		tap_send_segments("tap0");
		assert_int_equal(serve(first), 1);
		assert_int_equal(first[0], 1);
		assert_int_equal(first[1], 1);
		tap_send_segments("tap0");
		bring_up(0);
		tap_send_segments("tap0");
		assert_int_equal(serve(first), TAP_SEGMENTS);
		assert_int_equal(first[0], 0);
		assert_int_equal(first[1], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(segments_are_for_who_accepts_them, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
