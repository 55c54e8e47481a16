/* SPDX-License-Identifier: Apache-2.0 */
/* PCI as firmware and kernels use it: probing, sizing, moving and resetting, with accesses of every size. */
#include "hypervisor/thin/pci.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "tests/hypervisor/thin/recorded_board.h"
#include "tests/unit.h"

enum { BAR_SIZE = 16384, MEMORY = 2, COMMAND = 4, BAR_0 = 0x10 };

struct device {
	struct pci_function function;
	bool there;
	uint64_t address;
	unsigned moves, writes;
	uint64_t last_offset, last_value;
};

struct bench {
	struct recorded_board *record;
	struct pci *pci;
	struct device devices[2];
};

static uint64_t device_read(void *arg, uint64_t offset, unsigned size)
{
	(void)arg;
	return offset << 8 | size;
}

static void device_write(void *arg, uint64_t offset, unsigned size, uint64_t value)
{
	struct device *device = arg;
	(void)size;
	device->last_offset = offset;
	device->last_value = value;
}

static const struct bus_ops ops = {.read = device_read, .write = device_write};

static void moved(void *arg, unsigned bar, bool there, uint64_t address)
{
	struct device *device = arg;
	assert_int_equal(bar, 0);
	device->there = there;
	device->address = address;
	device->moves++;
}

static uint32_t seen(void *arg, unsigned offset, unsigned size, uint32_t stored)
{
	(void)arg;
	return offset == 0x48 && size == 4 ? 0x12345678 : stored;
}

static void written(void *arg, unsigned offset, unsigned size, uint32_t value)
{
	struct device *device = arg;
	(void)offset;
	(void)size;
	(void)value;
	device->writes++;
}

static int set_up(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	bench->record = recorded_board_new(16 << 20);
	bench->pci = pci_new(&bench->record->board, &err);
	assert_non_null(bench->pci);
	for (unsigned i = 0; i < 2; i++) {
		struct device *device = &bench->devices[i];
		device->function = (struct pci_function){.bars = {{.size = BAR_SIZE, .ops = &ops}},
							 .device = device,
							 .read = seen,
							 .written = written,
							 .moved = moved};
		pci_set32(&device->function, 0, 0x10421af4);
		device->function.writable[0x40] = 0x0f;
		assert_true(pci_add(bench->pci, &device->function, &err));
	}
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	pci_free(bench->pci);
	recorded_board_free(bench->record);
	free(bench);
	return 0;
}

static void point(const struct bench *bench, unsigned slot, unsigned offset)
{
	port_out(bench->record, 0xcf8, 4, 0x80000000 | slot << 11 | (offset & ~3U));
}

static uint32_t in(const struct bench *bench, unsigned slot, unsigned offset, unsigned size)
{
	point(bench, slot, offset);
	return (uint32_t)port_in(bench->record, (uint16_t)(0xcfc + offset % 4), size);
}

static void out(const struct bench *bench, unsigned slot, unsigned offset, unsigned size, uint32_t value)
{
	point(bench, slot, offset);
	port_out(bench->record, (uint16_t)(0xcfc + offset % 4), size, value);
}

static void the_bridge_is_one_that_seabios_knows(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(in(bench, 0, 0, 4), 0x12378086);
	assert_int_equal(in(bench, 0, 0x2c, 4), 0x11001af4);
	assert_int_equal(in(bench, 0, 0x0a, 2), 0x0600);
	assert_int_equal(in(bench, 0, 0x59, 1), 0); /* no RAM there yet: so SeaBIOS copies itself */
	out(bench, 0, 0x59, 1, 0x30);
	assert_int_equal(in(bench, 0, 0x59, 1), 0x30);
	out(bench, 0, 0x60, 1, 0xff);
	assert_int_equal(in(bench, 0, 0x60, 1), 0);
}

static void the_address_is_a_dword_alone(void **state)
{
	struct bench *bench = *state;
	port_out(bench->record, 0xcf8, 4, 0xffffffff);
	assert_int_equal(port_in(bench->record, 0xcf8, 4), 0xfffffffc);
	port_out(bench->record, 0xcf8, 1, 0);
	port_out(bench->record, 0xcfa, 2, 0);
	port_out(bench->record, 0xcfb, 1, 1);
	assert_int_equal(port_in(bench->record, 0xcf8, 4), 0xfffffffc);
	assert_int_equal(port_in(bench->record, 0xcf8, 1), 0xff);
}

static void accesses_of_each_size_see_the_same(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(in(bench, 1, 0, 4), 0x10421af4);
	assert_int_equal(in(bench, 1, 0, 2), 0x1af4);
	assert_int_equal(in(bench, 1, 2, 2), 0x1042);
	assert_int_equal(in(bench, 1, 1, 1), 0x1a);
	assert_int_equal(in(bench, 1, 3, 1), 0x10);
	assert_int_equal(in(bench, 1, 3, 2), 0xffff); /* half of it is no port of PCI's */
}

static void nobody_is_all_ones(void **state)
{
	struct bench *bench = *state;
	assert_int_equal(in(bench, 3, 0, 4), 0xffffffff);
	assert_int_equal(in(bench, 31, 0, 2), 0xffff);
	port_out(bench->record, 0xcf8, 4, 0x80000100); /* function 1 of the bridge */
	assert_int_equal(port_in(bench->record, 0xcfc, 4), 0xffffffff);
	port_out(bench->record, 0xcf8, 4, 0x80010000); /* bus 1 */
	assert_int_equal(port_in(bench->record, 0xcfc, 4), 0xffffffff);
	port_out(bench->record, 0xcf8, 4, 0x81000000); /* register 256 of the bridge */
	assert_int_equal(port_in(bench->record, 0xcfc, 4), 0xffffffff);
	port_out(bench->record, 0xcf8, 4, 0); /* not enabled */
	assert_int_equal(port_in(bench->record, 0xcfc, 4), 0xffffffff);
	out(bench, 3, 4, 4, 0xffffffff);
}

static void a_guest_changes_what_it_may(void **state)
{
	struct bench *bench = *state;
	out(bench, 1, 0, 4, 0);
	assert_int_equal(in(bench, 1, 0, 4), 0x10421af4);
	out(bench, 1, 0x40, 1, 0xff);
	assert_int_equal(in(bench, 1, 0x40, 1), 0x0f);
	out(bench, 1, COMMAND, 2, 0xffff);
	assert_int_equal(in(bench, 1, COMMAND, 4), 0x0406);
	out(bench, 1, 0x3c, 1, 11);
	assert_int_equal(in(bench, 1, 0x3c, 1), 11);
	assert_int_equal(bench->devices[0].writes, 4);
	assert_int_equal(in(bench, 1, 0x48, 4), 0x12345678);
	assert_int_equal(in(bench, 1, 0x48, 2), 0);
}

static void a_bar_tells_its_size(void **state)
{
	struct bench *bench = *state;
	out(bench, 1, BAR_0, 4, 0xffffffff);
	assert_int_equal(in(bench, 1, BAR_0, 4), ~(BAR_SIZE - 1U));
	out(bench, 1, BAR_0 + 4, 4, 0xffffffff);
	assert_int_equal(in(bench, 1, BAR_0 + 4, 4), 0);
	out(bench, 1, 0x30, 4, 0xffffffff); /* no ROM */
	assert_int_equal(in(bench, 1, 0x30, 4), 0);
}

static void a_bar_answers_where_it_lies(void **state)
{
	struct bench *bench = *state;
	struct device *device = &bench->devices[0];
	out(bench, 1, BAR_0, 4, 0xe0000000);
	assert_false(device->there);
	out(bench, 1, COMMAND, 2, MEMORY);
	assert_true(device->there);
	assert_int_equal(device->address, 0xe0000000);
	assert_int_equal(bus_read(bench->record->board.mmio, 0xe0000010, 4), 0x1004);
	bus_write(bench->record->board.mmio, 0xe0003ffe, 2, 7);
	assert_int_equal(device->last_offset, 0x3ffe);
	assert_int_equal(bus_read(bench->record->board.mmio, 0xe0003ffe, 4), 0xffffffff);

	out(bench, 1, BAR_0 + 2, 2, 0xe100); /* half an address moves it, too */
	assert_int_equal(device->address, 0xe1000000);
	assert_int_equal(bus_read(bench->record->board.mmio, 0xe0000010, 4), 0xffffffff);
	assert_int_equal(bus_read(bench->record->board.mmio, 0xe1000010, 4), 0x1004);

	out(bench, 1, COMMAND, 1, 0);
	assert_false(device->there);
	assert_int_equal(device->address, 0xe1000000);
	assert_int_equal(bus_read(bench->record->board.mmio, 0xe1000010, 4), 0xffffffff);
}

static void a_bar_answers_in_the_window_alone(void **state)
{
	static const uint32_t outside[] = {0, 0x1000000, 0xbfffc000, 0xfec00000, 0xfee00000, 0xffffc000};
	struct bench *bench = *state;
	out(bench, 1, COMMAND, 2, MEMORY);
	for (size_t i = 0; i < ARRAY_LENGTH(outside); i++) {
		out(bench, 1, BAR_0, 4, outside[i]);
		assert_false(bench->devices[0].there);
	}
	out(bench, 1, BAR_0, 4, PCI_WINDOW_BASE);
	assert_true(bench->devices[0].there);
	out(bench, 1, BAR_0, 4, PCI_WINDOW_END - BAR_SIZE);
	assert_true(bench->devices[0].there);
	assert_int_equal(bench->record->misuses, 0);
}

static void two_bars_over_each_other_end_apart(void **state)
{
	struct bench *bench = *state;
	for (unsigned slot = 1; slot <= 2; slot++) {
		out(bench, slot, COMMAND, 2, MEMORY);
		out(bench, slot, BAR_0, 4, 0xe0000000);
	}
	assert_true(bench->devices[0].there);
	assert_false(bench->devices[1].there);
	assert_int_equal(bench->record->misuses, 1);
	assert_non_null(strstr(bench->record->sentence, "PCI device 00:02.0: the guest laid its BAR 0"));
	out(bench, 2, BAR_0, 4, 0xe0000000);
	assert_int_equal(bench->record->misuses, 1);
	out(bench, 1, BAR_0, 4, 0xd0000000);
	assert_true(bench->devices[0].there && bench->devices[1].there);
	assert_int_equal(bench->devices[1].address, 0xe0000000);
}

static void a_reset_puts_all_back(void **state)
{
	struct bench *bench = *state;
	out(bench, 1, COMMAND, 2, MEMORY);
	out(bench, 1, BAR_0, 4, 0xe0000000);
	out(bench, 1, 0x40, 1, 5);
	pci_reset(bench->pci);
	assert_false(bench->devices[0].there);
	assert_int_equal(port_in(bench->record, 0xcf8, 4), 0);
	assert_int_equal(in(bench, 1, BAR_0, 4), 0);
	assert_int_equal(in(bench, 1, COMMAND, 2), 0);
	assert_int_equal(in(bench, 1, 0x40, 1), 0);
	assert_int_equal(in(bench, 1, 0, 4), 0x10421af4);
}

static void port_cf9_restarts(void **state)
{
	struct bench *bench = *state;
	port_out(bench->record, 0xcf9, 1, 2);
	assert_int_equal(bench->record->restarts, 0);
	assert_int_equal(port_in(bench->record, 0xcf9, 1), 2);
	port_out(bench->record, 0xcf9, 1, 6);
	assert_int_equal(bench->record->restarts, 1);
	port_out(bench->record, 0xcf8, 4, 0x80000400); /* the byte of an address there is no reset */
	assert_int_equal(bench->record->restarts, 1);
}

static void a_bus_has_room_for_31(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bench *bench = *state;
	static struct pci_function others[30];
	for (unsigned i = 0; i < 29; i++)
		assert_true(pci_add(bench->pci, &others[i], &err));
	assert_int_equal(pci_slot(bench->pci, &others[28]), 31);
	assert_false(pci_add(bench->pci, &others[29], &err));
	assert_string_equal(err_message(err), "a machine has room for 31 devices");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_bridge_is_one_that_seabios_knows),
		T(the_address_is_a_dword_alone),
		T(accesses_of_each_size_see_the_same),
		T(nobody_is_all_ones),
		T(a_guest_changes_what_it_may),
		T(a_bar_tells_its_size),
		T(a_bar_answers_where_it_lies),
		T(a_bar_answers_in_the_window_alone),
		T(two_bars_over_each_other_end_apart),
		T(a_reset_puts_all_back),
		T(port_cf9_restarts),
		T(a_bus_has_room_for_31),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
