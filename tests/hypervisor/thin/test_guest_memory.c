/* SPDX-License-Identifier: Apache-2.0 */
/* Guest memory: nothing outside RAM is touched, and what this process writes is marked. */
#include "hypervisor/thin/guest_memory.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static struct guest_memory *new_memory(uint64_t bytes)
{
	AUTO(err_freep) struct err *err = NULL;
	struct guest_memory *memory = guest_memory_new(bytes, &err);
	assert_non_null(memory);
	return memory;
}

static void it_reads_as_zeros_and_keeps_what_is_written(void **state)
{
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(MIB);
	uint8_t data[8] = {1};
	(void)state;
	assert_true(guest_memory_read(memory, MIB - 8, data, 8));
	assert_memory_equal(data, "\0\0\0\0\0\0\0\0", 8);
	assert_true(guest_memory_write(memory, MIB - 8, "ABCDEFGH", 8));
	assert_true(guest_memory_read(memory, MIB - 7, data, 7));
	assert_memory_equal(data, "BCDEFGH", 7);
	assert_memory_equal(guest_memory_for_reading(memory, MIB - 8, 8), "ABCDEFGH", 8);
}

static void ranges_that_are_not_all_ram_are_refused(void **state)
{
	static const struct {
		uint64_t address;
		size_t size;
	} ranges[] = {
		{MIB, 1},      {MIB - 1, 2},	    {0, MIB + 1},	    {UINT64_MAX, 1}, {UINT64_MAX, SIZE_MAX},
		{1, SIZE_MAX}, {MIB - 1, SIZE_MAX}, {GUEST_MEMORY_HIGH, 1},
	};
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(MIB);
	uint8_t byte = 7;
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(ranges); i++) {
		assert_false(guest_memory_read(memory, ranges[i].address, &byte, ranges[i].size));
		assert_false(guest_memory_write(memory, ranges[i].address, &byte, ranges[i].size));
		assert_null(guest_memory_for_reading(memory, ranges[i].address, ranges[i].size));
		assert_null(guest_memory_for_writing(memory, ranges[i].address, ranges[i].size));
	}
	assert_int_equal(byte, 7);
	assert_false(guest_memory_take_written(memory, MIB - GUEST_PAGE));
}

static void more_than_3_gib_lies_on_both_sides_of_the_hole(void **state)
{
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(3 * GIB + 2 * MIB);
	struct guest_memory_part parts[2];
	char data[2];
	(void)state;
	assert_int_equal(guest_memory_parts(memory, parts), 2);
	assert_int_equal(parts[0].size, GUEST_MEMORY_LOW_END);
	assert_int_equal(parts[1].address, GUEST_MEMORY_HIGH);
	assert_int_equal(parts[1].size, 2 * MIB);
	assert_true(guest_memory_write(memory, GUEST_MEMORY_LOW_END - 2, "lo", 2));
	assert_true(guest_memory_write(memory, GUEST_MEMORY_HIGH, "hi", 2));
	assert_true(guest_memory_read(memory, GUEST_MEMORY_LOW_END - 2, data, 2));
	assert_memory_equal(data, "lo", 2);
	assert_memory_equal(parts[1].host, "hi", 2);
	assert_false(guest_memory_write(memory, GUEST_MEMORY_LOW_END - 1, "xx",
					2)); /* in this process both are neighbours */
	assert_false(guest_memory_write(memory, GUEST_MEMORY_HIGH - 1, "xx", 2));
	assert_false(guest_memory_write(memory, GUEST_MEMORY_HIGH + 2 * MIB - 1, "xx", 2));
	assert_true(guest_memory_take_written(memory, GUEST_MEMORY_HIGH));
	assert_false(guest_memory_take_written(memory, GUEST_MEMORY_HIGH));
}

static void each_page_that_is_written_is_marked_once(void **state)
{
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(MIB);
	uint8_t data[2 * GUEST_PAGE] = {0};
	(void)state;
	assert_true(guest_memory_write(memory, 63 * GUEST_PAGE + 4095, data, GUEST_PAGE + 2));
	assert_false(guest_memory_take_written(memory, 62 * GUEST_PAGE));
	for (uint64_t page = 63; page <= 65; page++) {
		assert_true(guest_memory_take_written(memory, page * GUEST_PAGE));
		assert_false(guest_memory_take_written(memory, page * GUEST_PAGE));
	}
	assert_false(guest_memory_take_written(memory, 66 * GUEST_PAGE));
	assert_true(guest_memory_write(memory, 0, data, 0));
	assert_false(guest_memory_take_written(memory, 0));
	assert_non_null(guest_memory_for_writing(memory, 0, GUEST_PAGE));
	assert_false(guest_memory_take_written(memory, 0));
	guest_memory_wrote(memory, 0, 1);
	assert_true(guest_memory_take_written(memory, 0));
}

static void words_are_little_endian_and_even(void **state)
{
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(MIB);
	uint16_t word = 0;
	(void)state;
	assert_true(guest_memory_store16(memory, 0x100, 0x1234));
	assert_memory_equal(guest_memory_for_reading(memory, 0x100, 2), "\x34\x12", 2);
	assert_true(guest_memory_load16(memory, 0x100, &word));
	assert_int_equal(word, 0x1234);
	assert_true(guest_memory_take_written(memory, 0));
	assert_false(guest_memory_load16(memory, 0x101, &word));
	assert_false(guest_memory_store16(memory, 0x101, 1));
	assert_false(guest_memory_load16(memory, MIB, &word));
	assert_false(guest_memory_store16(memory, MIB, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_reads_as_zeros_and_keeps_what_is_written),
		cmocka_unit_test(ranges_that_are_not_all_ram_are_refused),
		cmocka_unit_test(more_than_3_gib_lies_on_both_sides_of_the_hole),
		cmocka_unit_test(each_page_that_is_written_is_marked_once),
		cmocka_unit_test(words_are_little_endian_and_even),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
