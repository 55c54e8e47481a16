/* SPDX-License-Identifier: Apache-2.0 */
/* The bus: who answers, who does not, and that nobody is withdrawn under an access. */
#include "hypervisor/thin/bus.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/err.h"
#include "tests/unit.h"

struct device {
	uint64_t offset, value;
	unsigned size, reads, writes;
};

static uint64_t device_read(void *arg, uint64_t offset, unsigned size)
{
	struct device *device = arg;
	device->offset = offset;
	device->size = size;
	device->reads++;
	return UINT64_C(0x1122334455667788);
}

static void device_write(void *arg, uint64_t offset, unsigned size, uint64_t value)
{
	struct device *device = arg;
	*device = (struct device){.offset = offset, .size = size, .value = value, .writes = device->writes + 1};
}

static const struct bus_ops both = {.read = device_read, .write = device_write};
static const struct bus_ops neither = {NULL, NULL};

static struct bus *new_bus(void)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bus *bus = bus_new(&err);
	assert_non_null(bus);
	return bus;
}

static bool claim(struct bus *bus, uint64_t base, uint64_t size, struct device *device)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct bus_region region = {.base = base, .size = size, .ops = &both, .device = device};
	bool ok = bus_claim(bus, &region, &err);
	assert_true(ok || err_code(err) == ERR_EXISTS);
	return ok;
}

static void accesses_arrive_where_they_belong(void **state)
{
	AUTO(bus_freep) struct bus *bus = new_bus();
	struct device low = {0}, high = {0};
	(void)state;
	assert_true(claim(bus, 0x2000, 0x10, &high));
	assert_true(claim(bus, 0x1000, 0x1000, &low));
	assert_int_equal(bus_read(bus, 0x1fff, 1), 0x88);
	assert_int_equal(low.offset, 0xfff);
	assert_int_equal(bus_read(bus, 0x2008, 4), 0x55667788);
	assert_int_equal(high.offset, 8);
	bus_write(bus, 0x2000, 2, 0xffffabcd);
	assert_int_equal(high.value, 0xabcd);
	assert_int_equal(high.size, 2);
	bus_write(bus, 0x2008, 8, UINT64_MAX);
	assert_true(high.value == UINT64_MAX);
	assert_int_equal(low.reads, 1);
	assert_int_equal(low.writes, 0);
}

static void where_nobody_answers_there_are_ones(void **state)
{
	AUTO(bus_freep) struct bus *bus = new_bus();
	AUTO(err_freep) struct err *err = NULL;
	struct device device = {0};
	(void)state;
	assert_int_equal(bus_read(bus, 0, 4), 0xffffffff);
	assert_true(claim(bus, 0x10, 4, &device));
	assert_int_equal(bus_read(bus, 0xf, 1), 0xff);
	assert_int_equal(bus_read(bus, 0xf, 2), 0xffff);      /* ends in it */
	assert_int_equal(bus_read(bus, 0x12, 4), 0xffffffff); /* begins in it */
	assert_int_equal(bus_read(bus, 0x14, 2), 0xffff);
	assert_true(bus_read(bus, UINT64_MAX, 8) == UINT64_MAX);
	bus_write(bus, 0x13, 2, 1);
	bus_write(bus, 0x14, 1, 1);
	assert_int_equal(device.reads + device.writes, 0);
	assert_true(bus_claim(bus, &(struct bus_region){.base = 0x20, .size = 4, .ops = &neither}, &err));
	assert_int_equal(bus_read(bus, 0x20, 1), 0xff);
	bus_write(bus, 0x20, 1, 1);
}

static void regions_never_overlap(void **state)
{
	AUTO(bus_freep) struct bus *bus = new_bus();
	struct device device = {0};
	(void)state;
	assert_true(claim(bus, 0x100, 0x10, &device));
	assert_true(claim(bus, UINT64_MAX, 1, &device));
	assert_false(claim(bus, 0x100, 0x10, &device));
	assert_false(claim(bus, 0x10f, 1, &device));
	assert_false(claim(bus, 0xff, 2, &device));
	assert_false(claim(bus, 0, UINT64_MAX, &device));
	assert_true(claim(bus, 0x110, 1, &device));
	assert_true(claim(bus, 0xff, 1, &device));
	bus_withdraw(bus, 0x100);
	assert_int_equal(bus_read(bus, 0x100, 1), 0xff);
	assert_int_equal(bus_read(bus, 0xff, 1), 0x88);
	assert_int_equal(bus_read(bus, 0x110, 1), 0x88);
	assert_true(claim(bus, 0x108, 8, &device));
}

/* ---- withdrawing while others read ---- */

struct visit {
	struct bus *bus;
	atomic_bool there, ended;
};

static uint64_t must_be_there(void *arg, uint64_t offset, unsigned size)
{
	struct visit *visit = arg;
	(void)offset;
	(void)size;
	if (!atomic_load(&visit->there))
		abort();
	return 0;
}

static const struct bus_ops visited = {.read = must_be_there};

static void *read_on(void *arg)
{
	struct visit *visit = arg;
	while (!atomic_load(&visit->ended))
		bus_read(visit->bus, 0x1000, 4);
	return NULL;
}

static void nobody_is_called_after_being_withdrawn(void **state)
{
	AUTO(bus_freep) struct bus *bus = new_bus();
	AUTO(err_freep) struct err *err = NULL;
	struct visit visit = {.bus = bus};
	pthread_t thread;
	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, read_on, &visit), 0);
	for (int i = 0; i < 2000; i++) {
		atomic_store(&visit.there, true);
		assert_true(bus_claim(bus, &(struct bus_region){0x1000, 4, &visited, &visit}, &err));
		bus_withdraw(bus, 0x1000);
		atomic_store(&visit.there, false);
	}
	atomic_store(&visit.ended, true);
	pthread_join(thread, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accesses_arrive_where_they_belong),
		cmocka_unit_test(where_nobody_answers_there_are_ones),
		cmocka_unit_test(regions_never_overlap),
		cmocka_unit_test(nobody_is_called_after_being_withdrawn),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
