/* SPDX-License-Identifier: Apache-2.0 */
/* Where the firmware, the map of memory and the generation ID are put, and which images are refused. */
#include "hypervisor/thin/firmware.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/e820.h"
#include "hypervisor/thin/vm_generation.h"
#include "tests/error.h"
#include "tests/folder.h"

#define MIB UINT64_C(1048576)

static struct guest_memory *new_memory(uint64_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct guest_memory *memory = guest_memory_new(size, &err);
	assert_non_null(memory);
	return memory;
}

/* An image of that size, which begins with a far jump or not. */
static struct firmware *make(void **state, size_t size, uint8_t first, struct err **errp)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *path = file_join(*state, "bios.bin");
	uint8_t *image = malloc(size + 1);
	assert_true(path && image);
	for (size_t i = 0; i < size; i++)
		image[i] = (uint8_t)(i >> 12);
	if (size >= 16)
		image[size - 16] = first;
	assert_true(file_replace(path, SPAN(image, size), 0600, &err));
	free(image);
	return firmware_new(path, errp);
}

static void it_ends_at_4_gib_and_at_1_mib(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(16 * MIB);
	AUTO(firmware_freep) struct firmware *firmware = make(state, 256 << 10, 0xea, &err);
	assert_non_null(firmware);
	struct guest_memory_part rom = firmware_rom(firmware);
	assert_int_equal(rom.address, 0xfffc0000);
	assert_int_equal(rom.size, 256 << 10);
	assert_int_equal((uintptr_t)rom.host % GUEST_PAGE, 0);
	firmware_place(firmware, memory);
	const uint8_t *low = guest_memory_for_reading(memory, 0xe0000, 128 << 10);
	assert_memory_equal(low, rom.host + (128 << 10), 128 << 10);
	assert_true(guest_memory_take_written(memory, 0xe0000) && guest_memory_take_written(memory, 0xff000));
	assert_false(guest_memory_take_written(memory, 0xdf000));
}

static void debian_s_is_taken(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	AUTO(firmware_freep) struct firmware *firmware = firmware_new(FIRMWARE_DEBIAN, &err);
	assert_true(firmware || err_code(err) == ERR_NOT_FOUND);
}

static void what_is_no_firmware_is_refused(void **state)
{
	static const struct {
		size_t size;
		uint8_t first;
		const char *why;
	} images[] = {
		{0, 0, "0 bytes are no BIOS image"},
		{64 << 10, 0xea, "65536 bytes are no BIOS image"},
		{(128 << 10) + 512, 0xea, "131584 bytes are no BIOS image"},
		{128 << 10, 0x90, "is a far jump"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(images); i++) {
		AUTO(err_freep) struct err *err = NULL;
		assert_null(make(state, images[i].size, images[i].first, &err));
		assert_error_about(&err, ERR_CORRUPT, "bios.bin", images[i].why);
	}
	AUTO(err_freep) struct err *err = NULL;
	assert_null(firmware_new("/nowhere/bios.bin", &err));
	assert_error(&err, ERR_NOT_FOUND, "/nowhere/bios.bin");
}

static void assert_range(const struct e820_range *range, uint64_t address, uint64_t end, enum e820_type type)
{
	assert_int_equal(range->address, address);
	assert_int_equal(range->address + range->size, end);
	assert_int_equal(range->type, type);
}

static void memory_is_told_as_it_lies(void **state)
{
	(void)state;
	struct e820_range ranges[E820_MAX];
	AUTO(guest_memory_freep) struct guest_memory *small = new_memory(64 * MIB);
	assert_int_equal(e820_for_firmware(small, ranges), 2);
	assert_range(&ranges[0], 0, 64 * MIB - 4096, E820_RAM);
	assert_range(&ranges[1], 64 * MIB - 4096, 64 * MIB, E820_RESERVED);

	AUTO(guest_memory_freep) struct guest_memory *large = new_memory(4096 * MIB);
	assert_int_equal(e820_for_kernel(large, ranges), 5);
	assert_range(&ranges[0], 0, 0x9fc00, E820_RAM);
	assert_range(&ranges[1], 0x9fc00, MIB, E820_RESERVED);
	assert_range(&ranges[2], MIB, 3072 * MIB - 4096, E820_RAM);
	assert_range(&ranges[3], 3072 * MIB - 4096, 3072 * MIB, E820_RESERVED);
	assert_range(&ranges[4], 4096 * MIB, 5120 * MIB, E820_RAM);

	AUTO(bytes_release) struct bytes table;
	bytes_init(&table, 200);
	e820_write(&table, ranges, 5);
	assert_int_equal(table.len, 5 * E820_RANGE_SIZE);
	assert_int_equal(bytes_load_le64(table.data + 4 * E820_RANGE_SIZE), 4096 * MIB);
	assert_int_equal(bytes_load_le32(table.data + 3 * E820_RANGE_SIZE + 16), E820_RESERVED);
}

static void generations_differ(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(16 * MIB);
	struct vm_generation one, other;
	uint8_t there[sizeof(one.id)];
	(void)state;
	assert_true(vm_generation_make(&one, &err) && vm_generation_make(&other, &err));
	assert_memory_not_equal(one.id, other.id, sizeof(one.id));
	vm_generation_place(&one, memory);
	assert_int_equal(vm_generation_address(memory), 16 * MIB - 4096);
	assert_true(guest_memory_read(memory, 16 * MIB - 4096, there, sizeof(there)));
	assert_memory_equal(there, one.id, sizeof(there));
	assert_true(guest_memory_take_written(memory, 16 * MIB - 4096));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_ends_at_4_gib_and_at_1_mib, folder_enter, folder_leave),
		cmocka_unit_test(debian_s_is_taken),
		cmocka_unit_test_setup_teardown(what_is_no_firmware_is_refused, folder_enter, folder_leave),
		cmocka_unit_test(memory_is_told_as_it_lies),
		cmocka_unit_test(generations_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
