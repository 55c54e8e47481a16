/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/virtio_rng.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { RING = 16 };

struct fixture {
	struct driver driver;
	struct virtio_rng *rng;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	AUTO(err_freep) struct err *err = NULL;
	driver_init(&fixture.driver);
	fixture.rng = virtio_rng_new(&fixture.driver.board, &err);
	driver_attach(&fixture.driver, virtio_rng_device(fixture.rng));
	driver_bring_up(&fixture.driver, 0, RING);
	*state = &fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	driver_stop_worker(&fixture->driver);
	virtio_rng_free(fixture->rng);
	driver_release(&fixture->driver);
	return 0;
}

static void buffers_are_filled(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	struct driver_buffer buffers[] = {{DRIVER_BUFFERS, 32, DRIVER_WRITES},
					  {DRIVER_BUFFERS + 64, 32, DRIVER_WRITES}};
	uint8_t bytes[128];
	uint16_t head;
	uint32_t length;
	driver_add(driver, 0, buffers, 2);
	driver_serve(driver, 0);
	assert_true(driver_take_used(driver, 0, &head, &length));
	assert_int_equal(length, 64);
	assert_int_equal(driver->used[0], 1);
	driver_read(driver, DRIVER_BUFFERS, bytes, sizeof(bytes));
	assert_false(bytes_all_zero(bytes, 32));
	assert_true(bytes_all_zero(bytes + 32, 32));
	assert_false(bytes_all_zero(bytes + 64, 32));
	assert_true(bytes_all_zero(bytes + 96, 32));
	assert_true(guest_memory_take_written(driver->memory, DRIVER_BUFFERS));
}

static void a_large_buffer_is_begun(void **state)
{
	struct fixture *fixture = *state;
	struct driver_buffer buffer = {DRIVER_BUFFERS, 1 << 20, DRIVER_WRITES};
	uint16_t head;
	uint32_t length;
	driver_add(&fixture->driver, 0, &buffer, 1);
	driver_serve(&fixture->driver, 0);
	assert_true(driver_take_used(&fixture->driver, 0, &head, &length));
	assert_in_range(length, 1, 1 << 20);
}

static void a_buffer_to_read_is_a_misuse(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	struct driver_buffer buffer = {DRIVER_BUFFERS, 32, DRIVER_READS};
	driver_add(driver, 0, &buffer, 1);
	driver_serve(driver, 0);
	assert_int_equal(driver->misuses, 1);
	assert_int_equal(driver->changed, 1);
	assert_true(driver->device->state.status & VIRTIO_STATUS_NEEDS_RESET);
	driver_bring_up(driver, 0, RING);
	driver_add(driver, 0, &buffer, 1);
	driver_serve(driver, 0);
	assert_true(driver->device->state.status & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(driver->misuses, 1); /* it is told once */
}

static void a_worker_serves_it(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	struct driver_buffer buffer = {DRIVER_BUFFERS, 8, DRIVER_WRITES};
	uint16_t head;
	uint32_t length;
	driver_start_worker(driver, JAIL_SLOW);
	for (int i = 0; i < 1000; i++) {
		uint16_t added = driver_add(driver, 0, &buffer, 1);
		virtio_kick(driver->device, 0);
		driver_wait_used(driver, 0, 1);
		assert_true(driver_take_used(driver, 0, &head, &length));
		assert_int_equal(head, added);
	}
}

/* More than a worker serves in one turn, behind one kick. */
static void many_are_served_behind_one_kick(void **state)
{
	struct fixture *fixture = *state;
	struct driver *driver = &fixture->driver;
	struct driver_buffer buffer = {DRIVER_BUFFERS, 8, DRIVER_WRITES};
	enum { MANY = 4 * VIRTIO_AT_ONCE };
	driver_bring_up(driver, VIRTIO_FEATURE_EVENT_INDEX, MANY);
	for (unsigned i = 0; i < MANY; i++)
		driver_add(driver, 0, &buffer, 1);
	assert_true(guest_memory_store16(driver->memory, driver_available(0) + 4 + 2 * MANY, MANY - 1));
	driver_start_worker(driver, JAIL_SLOW);
	virtio_kick(driver->device, 0);
	driver_wait_used(driver, 0, MANY);
	driver_stop_worker(driver);
	assert_int_equal(driver->used[0], 1); /* one interrupt, for the last: as it was asked for */
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(buffers_are_filled), TEST(a_large_buffer_is_begun),	 TEST(a_buffer_to_read_is_a_misuse),
		TEST(a_worker_serves_it), TEST(many_are_served_behind_one_kick),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
