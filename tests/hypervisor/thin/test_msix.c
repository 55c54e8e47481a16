/* SPDX-License-Identifier: Apache-2.0 */
/* Messages are sent, held back while they are masked, and sent then, once. */
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/msix.h"
#include "hypervisor/thin/pci.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { VECTORS = 3, ENABLE = 0x8000, MASK_ALL = 0x4000, PENDING = 2048 };

struct fixture {
	struct driver driver;
	struct msix *msix;
};

static int set_up(void **state)
{
	static struct fixture fixture;
	AUTO(err_freep) struct err *err = NULL;
	driver_init(&fixture.driver);
	fixture.msix = msix_new(&fixture.driver.board, VECTORS, &err);
	*state = &fixture;
	return fixture.msix ? 0 : -1;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;
	msix_free(fixture->msix);
	driver_release(&fixture->driver);
	return 0;
}

static void set_vector(struct fixture *fixture, unsigned vector, uint64_t address, uint32_t data, bool masked)
{
	msix_write(fixture->msix, 16 * vector, 4, (uint32_t)address);
	msix_write(fixture->msix, 16 * vector + 4, 4, address >> 32);
	msix_write(fixture->msix, 16 * vector + 8, 4, data);
	msix_write(fixture->msix, 16 * vector + 12, 4, masked);
}

static void a_message_is_sent(void **state)
{
	struct fixture *fixture = *state;
	set_vector(fixture, 1, UINT64_C(0x1fee01000), 0x4041, false);
	msix_raise(fixture->msix, 1);
	assert_int_equal(fixture->driver.messages, 0); /* off */
	msix_control(fixture->msix, ENABLE);
	assert_int_equal(fixture->driver.messages, 0); /* what was raised while it was off is lost */
	msix_raise(fixture->msix, 1);
	assert_int_equal(fixture->driver.messages, 1);
	assert_int_equal(fixture->driver.message_address, UINT64_C(0x1fee01000));
	assert_int_equal(fixture->driver.message_data, 0x4041);
	msix_raise(fixture->msix, VECTORS);
	msix_raise(fixture->msix, 0xffff);
	assert_int_equal(fixture->driver.messages, 1);
}

static void a_masked_vector_waits(void **state)
{
	struct fixture *fixture = *state;
	msix_control(fixture->msix, ENABLE);
	set_vector(fixture, 2, 0xfee00000, 7, true);
	msix_raise(fixture->msix, 2);
	msix_raise(fixture->msix, 2);
	assert_int_equal(fixture->driver.messages, 0);
	assert_int_equal(msix_read(fixture->msix, PENDING, 8), 1 << 2);
	assert_int_equal(msix_read(fixture->msix, PENDING, 1), 1 << 2);
	msix_write(fixture->msix, 2 * 16 + 12, 4, 0);
	assert_int_equal(fixture->driver.messages, 1);
	assert_int_equal(fixture->driver.message_data, 7);
	assert_int_equal(msix_read(fixture->msix, PENDING, 8), 0);
}

static void a_masked_function_waits(void **state)
{
	struct fixture *fixture = *state;
	msix_control(fixture->msix, ENABLE | MASK_ALL);
	set_vector(fixture, 0, 0xfee00000, 1, false);
	set_vector(fixture, 1, 0xfee00000, 2, true);
	msix_raise(fixture->msix, 0);
	msix_raise(fixture->msix, 1);
	assert_int_equal(msix_read(fixture->msix, PENDING, 4), 3);
	msix_control(fixture->msix, ENABLE);
	assert_int_equal(fixture->driver.messages, 1);
	assert_int_equal(fixture->driver.message_data, 1);
	assert_int_equal(msix_read(fixture->msix, PENDING, 4), 2);
	msix_reset(fixture->msix);
	assert_int_equal(msix_read(fixture->msix, PENDING, 4), 0);
}

static void all_are_masked_at_first(void **state)
{
	struct fixture *fixture = *state;
	for (unsigned i = 0; i < VECTORS; i++)
		assert_int_equal(msix_read(fixture->msix, 16 * i + 12, 4), 1);
}

static void words_and_pairs_are_written(void **state)
{
	struct fixture *fixture = *state;
	msix_write(fixture->msix, 0, 8, UINT64_C(0x1122334455667788));
	assert_int_equal(msix_read(fixture->msix, 0, 8), UINT64_C(0x1122334455667788));
	assert_int_equal(msix_read(fixture->msix, 4, 2), 0x3344);
	msix_write(fixture->msix, 8, 8, UINT64_C(0xffffffff00000009));
	assert_int_equal(msix_read(fixture->msix, 8, 8), UINT64_C(0x0000000100000009)); /* one bit of control */
	msix_write(fixture->msix, 0, 2, 0);
	msix_write(fixture->msix, 4, 8, 0);
	msix_write(fixture->msix, VECTORS * 16, 4, 0xffffffff);
	msix_write(fixture->msix, PENDING, 8, UINT64_MAX);
	assert_int_equal(msix_read(fixture->msix, 0, 8), UINT64_C(0x1122334455667788));
	assert_int_equal(msix_read(fixture->msix, VECTORS * 16, 4), 0);
	assert_int_equal(msix_read(fixture->msix, PENDING, 8), 0);
	assert_int_equal(msix_read(fixture->msix, MSIX_BAR_SIZE - 1, 1), 0);
}

static void the_capability_says_where(void **state)
{
	struct fixture *fixture = *state;
	static struct pci_function function;
	msix_describe(fixture->msix, &function, 1, 0x80, 0xa0);
	assert_int_equal(function.config[0x80], 0x11);
	assert_int_equal(function.config[0x81], 0xa0);
	assert_int_equal(bytes_load_le16(function.config + 0x82), VECTORS - 1);
	assert_int_equal(bytes_load_le32(function.config + 0x84), 1);
	assert_int_equal(bytes_load_le32(function.config + 0x88), PENDING | 1);
	assert_int_equal(bytes_load_le16(function.writable + 0x82), ENABLE | MASK_ALL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_message_is_sent),       TEST(a_masked_vector_waits),	  TEST(a_masked_function_waits),
		TEST(all_are_masked_at_first), TEST(words_and_pairs_are_written), TEST(the_capability_says_where),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
