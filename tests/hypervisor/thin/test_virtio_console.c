/* SPDX-License-Identifier: Apache-2.0 */
/* The port is announced as Linux asks for it, and carries bytes both ways. */
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/virtio_console.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { CONTROL_IN = 2, CONTROL_OUT = 3, PORT_IN = 4, PORT_OUT = 5, RING = 16 };
enum { DEVICE_READY = 0, PORT_ADD = 1, PORT_READY = 3, PORT_OPEN = 6, PORT_NAME = 7, MULTIPORT = 2 };
#define NAME "org.qemu.guest_agent.0"
#define OUT_BUFFER DRIVER_BUFFERS
#define IN_BUFFERS (DRIVER_BUFFERS + 0x10000)

struct fixture {
	struct driver driver;
	struct virtio_console *console;
	char heard[16384];
	size_t n_heard;
};

static void hear(void *arg, const uint8_t *data, size_t size)
{
	struct fixture *fixture = arg;
	assert_true(fixture->n_heard + size <= sizeof(fixture->heard));
	memcpy(fixture->heard + fixture->n_heard, data, size);
	fixture->n_heard += size;
}

static int set_up(void **state)
{
	static struct fixture fixture;
	AUTO(err_freep) struct err *err = NULL;
	memset(&fixture, 0, sizeof(fixture));
	driver_init(&fixture.driver);
	fixture.console = virtio_console_new(&fixture.driver.board, NAME, &err);
	virtio_console_listen(fixture.console, hear, &fixture);
	driver_attach(&fixture.driver, virtio_console_device(fixture.console));
	driver_bring_up(&fixture.driver, MULTIPORT, RING);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	driver_stop_worker(&fixture->driver);
	virtio_console_free(fixture->console);
	driver_release(&fixture->driver);
	return 0;
}

static void say_control(struct fixture *fixture, uint32_t id, uint16_t event, uint16_t value)
{
	uint8_t message[8];
	uint16_t head;
	uint32_t length;
	bytes_store_le32(message, id);
	bytes_store_le16(message + 4, event);
	bytes_store_le16(message + 6, value);
	driver_write(&fixture->driver, OUT_BUFFER, message, sizeof(message));
	driver_add(&fixture->driver, CONTROL_OUT, &(struct driver_buffer){OUT_BUFFER, 8, DRIVER_READS}, 1);
	driver_serve(&fixture->driver, CONTROL_OUT);
	assert_true(driver_take_used(&fixture->driver, CONTROL_OUT, &head, &length));
}

static void leave_buffers(struct fixture *fixture, unsigned queue, unsigned n, uint32_t size)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t at = IN_BUFFERS + 0x10000 * queue + 0x1000 * fixture->driver.queues[queue].next_descriptor;
		driver_add(&fixture->driver, queue, &(struct driver_buffer){at, size, DRIVER_WRITES}, 1);
	}
}

/* The next control message of the device. */
static void assert_said(struct fixture *fixture, uint16_t event, const char *more)
{
	uint8_t message[128] = {0};
	uint16_t head;
	uint32_t length;
	assert_true(driver_take_used(&fixture->driver, CONTROL_IN, &head, &length));
	assert_int_equal(length, 8 + strlen(more));
	driver_read(&fixture->driver, IN_BUFFERS + 0x10000 * CONTROL_IN + 0x1000 * head, message, sizeof(message));
	assert_int_equal(bytes_load_le32(message), 1);
	assert_int_equal(bytes_load_le16(message + 4), event);
	assert_int_equal(bytes_load_le16(message + 6), 1);
	assert_memory_equal(message + 8, more, strlen(more));
}

static void open_port(struct fixture *fixture)
{
	leave_buffers(fixture, CONTROL_IN, 8, 128);
	say_control(fixture, UINT32_MAX, DEVICE_READY, 1);
	say_control(fixture, 1, PORT_READY, 1);
	say_control(fixture, 1, PORT_OPEN, 1);
}

static void the_port_is_announced(void **state)
{
	struct fixture *fixture = *state;
	uint16_t head;
	uint32_t length;
	assert_int_equal(bytes_load_le32(fixture->driver.device->config + 4), 2);
	open_port(fixture);
	assert_said(fixture, PORT_ADD, "");
	assert_said(fixture, PORT_NAME, NAME);
	assert_said(fixture, PORT_OPEN, "");
	assert_false(driver_take_used(&fixture->driver, CONTROL_IN, &head, &length));
}

static void messages_wait_for_buffers(void **state)
{
	struct fixture *fixture = *state;
	say_control(fixture, UINT32_MAX, DEVICE_READY, 1);
	say_control(fixture, 1, PORT_READY, 1);
	leave_buffers(fixture, CONTROL_IN, 2, 128);
	driver_serve(&fixture->driver, CONTROL_IN);
	assert_said(fixture, PORT_ADD, "");
	assert_said(fixture, PORT_NAME, NAME);
	leave_buffers(fixture, CONTROL_IN, 1, 128);
	driver_serve(&fixture->driver, CONTROL_IN);
	assert_said(fixture, PORT_OPEN, "");
}

static void the_guest_is_heard(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	open_port(fixture);
	uint8_t *at = guest_memory_for_writing(driver->memory, OUT_BUFFER, 10000);
	for (size_t i = 0; i < 10000; i++)
		at[i] = (uint8_t)(i * 7);
	driver_add(driver, PORT_OUT, &(struct driver_buffer){OUT_BUFFER, 10000, DRIVER_READS}, 1);
	driver_serve(driver, PORT_OUT);
	assert_int_equal(fixture->n_heard, 10000);
	assert_memory_equal(fixture->heard, at, 10000);
	virtio_console_listen(fixture->console, NULL, NULL);
	driver_add(driver, PORT_OUT, &(struct driver_buffer){OUT_BUFFER, 100, DRIVER_READS}, 1);
	driver_serve(driver, PORT_OUT);
	assert_int_equal(fixture->n_heard, 10000);
}

static void the_guest_is_told(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	const uint8_t *words = (const uint8_t *)"hello, agent";
	char got[16] = {0};
	uint16_t head;
	uint32_t length;
	assert_int_equal(virtio_console_say(fixture->console, words, 12), 0); /* nobody there */
	open_port(fixture);
	assert_int_equal(virtio_console_say(fixture->console, words, 12), 12);
	driver_serve(driver, PORT_IN);
	leave_buffers(fixture, PORT_IN, 2, 8);
	driver_serve(driver, PORT_IN);
	assert_true(driver_take_used(driver, PORT_IN, &head, &length));
	assert_int_equal(length, 8);
	driver_read(driver, IN_BUFFERS + 0x10000 * PORT_IN, got, 8);
	assert_true(driver_take_used(driver, PORT_IN, &head, &length));
	assert_int_equal(length, 4);
	driver_read(driver, IN_BUFFERS + 0x10000 * PORT_IN + 0x1000, got + 8, 4);
	assert_string_equal(got, "hello, agent");
}

static void the_buffer_is_small(void **state)
{
	struct fixture *fixture = *state;
	static const uint8_t much[10000];
	open_port(fixture);
	size_t taken = virtio_console_say(fixture->console, much, sizeof(much));
	assert_in_range(taken, 1, sizeof(much) - 1);
	assert_int_equal(virtio_console_say(fixture->console, much, 1), 0);
	say_control(fixture, 1, PORT_OPEN, 0); /* the program goes away, and with it what it had not read */
	assert_int_equal(virtio_console_say(fixture->console, much, 1), 0);
	say_control(fixture, 1, PORT_OPEN, 1);
	assert_int_equal(virtio_console_say(fixture->console, much, sizeof(much)), taken);
}

static void a_reset_closes_the_port(void **state)
{
	struct fixture *fixture = *state;
	open_port(fixture);
	driver_bring_up(&fixture->driver, MULTIPORT, RING);
	assert_int_equal(virtio_console_say(fixture->console, (const uint8_t *)"x", 1), 0);
}

static void nonsense_is_a_misuse(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	driver_add(driver, CONTROL_OUT, &(struct driver_buffer){OUT_BUFFER, 7, DRIVER_READS}, 1);
	driver_serve(driver, CONTROL_OUT);
	assert_true(driver->device->state.status & VIRTIO_STATUS_NEEDS_RESET);
	driver_bring_up(driver, MULTIPORT, RING);
	leave_buffers(fixture, CONTROL_IN, 1, 7);
	say_control(fixture, UINT32_MAX, DEVICE_READY, 1);
	assert_true(driver->device->state.status & VIRTIO_STATUS_NEEDS_RESET);
	driver_bring_up(driver, MULTIPORT, RING);
	open_port(fixture);
	driver_add(driver, PORT_IN, &(struct driver_buffer){OUT_BUFFER, 7, DRIVER_READS}, 1);
	assert_int_equal(virtio_console_say(fixture->console, (const uint8_t *)"x", 1), 1);
	driver_serve(driver, PORT_IN);
	assert_true(driver->device->state.status & VIRTIO_STATUS_NEEDS_RESET);
	driver_bring_up(driver, MULTIPORT, RING);
	driver_add(driver, PORT_OUT, &(struct driver_buffer){OUT_BUFFER, 2 << 20, DRIVER_READS}, 1);
	driver_serve(driver, PORT_OUT);
	assert_true(driver->device->state.status & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(driver->misuses, 1);
}

static void the_terminal_is_not_heard(void **state)
{
	struct fixture *fixture = *state;
	uint16_t head;
	uint32_t length;
	driver_add(&fixture->driver, 1, &(struct driver_buffer){OUT_BUFFER, 7, DRIVER_READS}, 1);
	driver_serve(&fixture->driver, 1);
	assert_true(driver_take_used(&fixture->driver, 1, &head, &length));
	assert_int_equal(fixture->n_heard, 0);
}

/* An echo through a worker: this thread is the agent's other side. */
static void a_worker_carries_bytes(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	uint16_t head;
	uint32_t length;
	open_port(fixture);
	driver_start_worker(driver, JAIL_SLOW);
	for (int i = 0; i < 500; i++) {
		leave_buffers(fixture, PORT_IN, 1, 64);
		assert_int_equal(virtio_console_say(fixture->console, (const uint8_t *)"ping", 4), 4);
		driver_wait_used(driver, PORT_IN, 1);
		assert_true(driver_take_used(driver, PORT_IN, &head, &length));
		assert_int_equal(length, 4);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_port_is_announced), TEST(messages_wait_for_buffers), TEST(the_guest_is_heard),
		TEST(the_guest_is_told),     TEST(the_buffer_is_small),	      TEST(a_reset_closes_the_port),
		TEST(nonsense_is_a_misuse),  TEST(the_terminal_is_not_heard), TEST(a_worker_carries_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
