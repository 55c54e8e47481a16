/* SPDX-License-Identifier: Apache-2.0 */
/* What is behind the card goes, while nobody takes frames from it. */
#include <arpa/inet.h>
#include <stdlib.h>
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
#include "tests/hypervisor/thin/tap.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { RECEIVE = 0, RING = 16, FRAME = 100, ROOM = 2048, CONFIG_STATUS = 6 };

static struct {
	struct driver driver;
	struct virtio_net *net;
	int peer; /* in the place of passt */
} fixture;

static void make_card(struct network *network)
{
	static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
	AUTO(err_freep) struct err *err = NULL;
	fixture.net = virtio_net_new(&fixture.driver.board, "net0", mac, network, &err);
	driver_attach(&fixture.driver, virtio_net_device(fixture.net));
	driver_start_worker(&fixture.driver, JAIL_NETWORK);
}

static int set_up(void **state)
{
	if (folder_enter(state) != 0)
		return -1;
	memset(&fixture, 0, sizeof(fixture));
	fixture.peer = -1;
	driver_init(&fixture.driver);
	return 0;
}

static int set_up_passt(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "sock"};
	AUTO(file_closep) int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (set_up(state) != 0 || bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listening, 1) != 0)
		return -1;
	struct network *network = network_open_passt("sock", &err);
	fixture.peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	make_card(network);
	return 0;
}

static int set_up_tap(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	if (set_up(state) != 0)
		return -1;
	if (!tap_enter_network())
		return 0;
	close(tap_make("tap0", true));
	make_card(network_open_tap("tap0", &err));
	return 0;
}

static int tear_down(void **state)
{
	if (fixture.net)
		driver_stop_worker(&fixture.driver);
	virtio_net_free(fixture.net);
	file_closep(&fixture.peer);
	driver_release(&fixture.driver);
	return folder_leave(state);
}

static void write_frames(unsigned n)
{
	uint8_t bytes[4 + FRAME] = {0};
	uint32_t length = htonl(FRAME);
	memcpy(bytes, &length, sizeof(length));
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(write(fixture.peer, bytes, sizeof(bytes)), sizeof(bytes));
}

static void wait_loss(const char *words)
{
	struct driver *driver = &fixture.driver;
	pthread_mutex_lock(&driver->lock);
	while (driver->losses == 0)
		pthread_cond_wait(&driver->asked, &driver->lock);
	assert_non_null(strstr(driver->sentence, words));
	pthread_mutex_unlock(&driver->lock);
}

/* Frames have come before, and wait. */
static void it_is_told_without_a_driver(void **state)
{
	(void)state;
	write_frames(3);
	file_closep(&fixture.peer);
	wait_loss("network net0: the link is down: passt at sock is gone");
	driver_stop_worker(&fixture.driver);
	assert_int_equal(fixture.driver.losses, 1);
	assert_int_equal(bytes_load_le16(fixture.driver.device->config + CONFIG_STATUS), 0);
}

static void it_is_told_without_room(void **state)
{
	(void)state;
	struct driver_buffer buffer = {DRIVER_BUFFERS, ROOM, DRIVER_WRITES};
	driver_bring_up(&fixture.driver, 0, RING);
	driver_add(&fixture.driver, RECEIVE, &buffer, 1);
	driver_kick(&fixture.driver, RECEIVE, 1);
	write_frames(3);
	driver_wait_used(&fixture.driver, RECEIVE, 1);
	file_closep(&fixture.peer);
	wait_loss("network net0: the link is down: passt at sock is gone");
}

static void it_is_told_of_a_tap(void **state)
{
	(void)state;
	if (!fixture.net)
		skip();
	tap_send_segments("tap0");		/* behind which the card waits for no more of them */
	if (system("ip link delete tap0") != 0) // NOLINT(cert-env33-c): as a person would
		skip();
	wait_loss("network net0: the link is down: the TAP interface tap0 is gone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_told_without_a_driver, set_up_passt, tear_down),
		cmocka_unit_test_setup_teardown(it_is_told_without_room, set_up_passt, tear_down),
		cmocka_unit_test_setup_teardown(it_is_told_of_a_tap, set_up_tap, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
