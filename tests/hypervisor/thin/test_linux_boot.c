/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a kernel: what is put where, and which images are refused. The image is made here, and has a head and no
 * kernel. */
#include "hypervisor/thin/linux_boot.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/guest_memory.h"
#include "tests/error.h"
#include "tests/folder.h"
#include "tests/hypervisor/thin/kernel_image.h"

enum { RSDP = 0xe0000 };

#define MIB UINT64_C(1048576)

static void put_file(const char *path, const void *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_true(file_replace(path, SPAN(data, size), 0600, &err));
}

static struct guest_memory *new_memory(uint64_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct guest_memory *memory = guest_memory_new(size, &err);
	assert_non_null(memory);
	return memory;
}

static struct linux_boot *open_boot(const char *initrd, const char *command_line)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct linux_boot_options options = {.kernel = "vmlinuz", .initrd = initrd, .command_line = command_line};
	struct linux_boot *boot = linux_boot_new(&options, &err);
	if (!boot)
		fail_msg("%s", err_message(err));
	return boot;
}

static void all_is_where_the_kernel_looks(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	static uint8_t image[KERNEL_IMAGE], initrd[5000] = "an initrd";
	struct vcpu_long_mode entry;
	int fds[2];
	(void)state;
	kernel_image_make(image);
	put_file("vmlinuz", image, sizeof(image));
	put_file("initrd.img", initrd, sizeof(initrd));
	AUTO(linux_boot_freep) struct linux_boot *boot = open_boot("initrd.img", "console=ttyS0");
	assert_int_equal(linux_boot_descriptors(boot, fds), 2);
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(64 * MIB);
	assert_true(linux_boot_place(boot, memory, RSDP, &entry, &err));

	assert_int_equal(entry.rip, KERNEL_PREFERRED + KERNEL_ENTRY);
	assert_int_equal(entry.rsi, LINUX_BOOT_PARAMETERS);
	const uint8_t *parameters = guest_memory_for_reading(memory, entry.rsi, 4096);
	assert_memory_equal(guest_memory_for_reading(memory, KERNEL_PREFERRED, KERNEL_BODY), image + KERNEL_BODY_AT,
			    KERNEL_BODY);
	assert_int_equal(bytes_load_le64(parameters + 0x70), RSDP);
	assert_int_equal(parameters[0x210], 0xff);
	assert_memory_equal(parameters + 0x202, "HdrS", 4);
	assert_string_equal(guest_memory_for_reading(memory, bytes_load_le32(parameters + 0x228), 14), "console=ttyS0");
	uint32_t at = bytes_load_le32(parameters + 0x218);
	assert_int_equal(at, 64 * MIB - 3 * 4096);
	assert_int_equal(bytes_load_le32(parameters + 0x21c), sizeof(initrd));
	assert_memory_equal(guest_memory_for_reading(memory, at, sizeof(initrd)), initrd, sizeof(initrd));
	assert_int_equal(parameters[0x1e8], 4);
	assert_int_equal(bytes_load_le64(parameters + 0x2d0 + 2 * 20), MIB);
	assert_true(guest_memory_take_written(memory, KERNEL_PREFERRED) && guest_memory_take_written(memory, at));
}

static void assert_same(const struct guest_memory *a, const struct guest_memory *b, uint64_t address, size_t size)
{
	const uint8_t *in_a = guest_memory_for_reading(a, address, size);
	const uint8_t *in_b = guest_memory_for_reading(b, address, size);
	assert_memory_equal(in_a, in_b, size);
}

static void a_restart_finds_all_as_the_first_start(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	static uint8_t image[KERNEL_IMAGE], initrd[5000] = "an initrd";
	struct vcpu_long_mode entry, again;
	(void)state;
	kernel_image_make(image);
	put_file("vmlinuz", image, sizeof(image));
	put_file("initrd.img", initrd, sizeof(initrd));
	AUTO(linux_boot_freep) struct linux_boot *boot = open_boot("initrd.img", "console=ttyS0");
	AUTO(guest_memory_freep) struct guest_memory *first = new_memory(64 * MIB);
	AUTO(guest_memory_freep) struct guest_memory *second = new_memory(64 * MIB);
	assert_true(linux_boot_place(boot, first, RSDP, &entry, &err));
	assert_true(linux_boot_place(boot, second, RSDP, &again, &err));
	memset(guest_memory_for_writing(second, 0, 64 * MIB), 0xcc, 64 * MIB);
	assert_true(linux_boot_place(boot, second, RSDP, &again, &err));
	assert_memory_equal(&again, &entry, sizeof(entry));
	assert_same(first, second, LINUX_BOOT_GDT, 4 * 8);
	assert_same(first, second, LINUX_BOOT_PARAMETERS, 4096);
	assert_same(first, second, LINUX_BOOT_PAGE_TABLES, 6 * 4096);
	assert_same(first, second, LINUX_BOOT_COMMAND_LINE, sizeof("console=ttyS0"));
	assert_same(first, second, KERNEL_PREFERRED, KERNEL_BODY);
	assert_same(first, second, 64 * MIB - 3 * 4096, sizeof(initrd));
}

/* As the processor walks them. */
static uint64_t translate(const struct guest_memory *memory, uint64_t cr3, uint64_t address)
{
	uint64_t table = cr3;
	for (unsigned shift = 39; shift > 21; shift -= 9) {
		uint64_t entry =
			bytes_load_le64(guest_memory_for_reading(memory, table + (address >> shift & 511) * 8, 8));
		assert_int_equal(entry & 0xfff, 3);
		table = entry & ~UINT64_C(0xfff);
	}
	uint64_t entry = bytes_load_le64(guest_memory_for_reading(memory, table + (address >> 21 & 511) * 8, 8));
	assert_int_equal(entry & 0xfff, 0x83);
	return (entry & ~UINT64_C(0xfff)) | (address & 0x1fffff);
}

static void each_address_is_its_own(void **state)
{
	static const uint64_t addresses[] = {
		0, 0x7000, KERNEL_PREFERRED + KERNEL_ENTRY, 0x3fffffff, 0x40000000, 0xbfffffff, 0xffffffff};
	AUTO(err_freep) struct err *err = NULL;
	static uint8_t image[KERNEL_IMAGE];
	struct vcpu_long_mode entry;
	(void)state;
	kernel_image_make(image);
	put_file("vmlinuz", image, sizeof(image));
	AUTO(linux_boot_freep) struct linux_boot *boot = open_boot(NULL, NULL);
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(64 * MIB);
	assert_true(linux_boot_place(boot, memory, RSDP, &entry, &err));
	for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++)
		assert_int_equal(translate(memory, entry.cr3, addresses[i]), addresses[i]);
	assert_int_equal(bytes_load_le64(guest_memory_for_reading(memory, entry.gdt + 0x10, 8)), 0x00af9b000000ffff);
}

static void the_initrd_lies_where_the_kernel_allows(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	static uint8_t image[KERNEL_IMAGE];
	struct vcpu_long_mode entry;
	(void)state;
	kernel_image_make(image);
	bytes_store_le32(image + 0x22c, 30 * MIB - 1);
	put_file("vmlinuz", image, sizeof(image));
	put_file("initrd.img", image, 4097);
	AUTO(linux_boot_freep) struct linux_boot *boot = open_boot("initrd.img", NULL);
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(64 * MIB);
	assert_true(linux_boot_place(boot, memory, RSDP, &entry, &err));
	const uint8_t *parameters = guest_memory_for_reading(memory, entry.rsi, 4096);
	assert_int_equal(bytes_load_le32(parameters + 0x218), 30 * MIB - 2 * 4096);
}

static void too_little_memory_is_told(void **state)
{
	static uint8_t image[KERNEL_IMAGE], initrd[2 << 20];
	struct vcpu_long_mode entry;
	(void)state;
	kernel_image_make(image);
	put_file("vmlinuz", image, sizeof(image));
	put_file("initrd.img", initrd, sizeof(initrd));
	AUTO(linux_boot_freep) struct linux_boot *boot = open_boot("initrd.img", NULL);
	for (uint64_t mib = 16; mib <= 25; mib++) {
		AUTO(err_freep) struct err *err = NULL;
		AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(mib * MIB);
		assert_false(linux_boot_place(boot, memory, RSDP, &entry, &err));
		assert_error(&err, ERR_USAGE, mib < 25 ? "too small for it" : "too small for its initrd");
	}
}

static void a_file_that_shrank_is_told(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	static uint8_t image[KERNEL_IMAGE];
	struct vcpu_long_mode entry;
	(void)state;
	kernel_image_make(image);
	put_file("vmlinuz", image, sizeof(image));
	AUTO(linux_boot_freep) struct linux_boot *boot = open_boot(NULL, NULL);
	FILE *file = fopen("vmlinuz", "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(64 * MIB);
	assert_false(linux_boot_place(boot, memory, RSDP, &entry, &err));
	assert_error(&err, ERR_CORRUPT, "vmlinuz");
}

static void assert_refused(const struct linux_boot_options *options, enum err_code code, const char *why)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(linux_boot_freep) struct linux_boot *boot = linux_boot_new(options, &err);
	assert_null(boot);
	assert_error(&err, code, why);
}

/* Refused for one field alone. */
static void hostile_heads_are_refused(void **state)
{
	static const struct {
		uint64_t value;
		const char *why;
		unsigned at, size;
	} heads[] = {
		{0, "kernel 'vmlinuz': it is no bzImage of Linux", 0x1fe, 2},
		{0, "no bzImage", 0x202, 4},
		{0x20b, "older than 2.12", 0x206, 2},
		{0, "64-bit mode", 0x211, 1},
		{0x7e, "64-bit mode", 0x236, 2},
		{0x20, "shorter than its version says", 0x201, 1},
		{255, "cut off", 0x1f1, 1},
		{0, "where it cannot lie", 0x258, 8},
		{KERNEL_BODY - 1, "where it cannot lie", 0x260, 4},
	};
	const struct linux_boot_options options = {.kernel = "vmlinuz"};
	static uint8_t image[KERNEL_IMAGE];
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(heads); i++) {
		kernel_image_make(image);
		memcpy(image + heads[i].at, &heads[i].value, heads[i].size);
		put_file("vmlinuz", image, sizeof(image));
		assert_refused(&options, ERR_CORRUPT, heads[i].why);
	}
	kernel_image_make(image);
	put_file("vmlinuz", image, 0x200);
	assert_refused(&options, ERR_CORRUPT, "too short");
	put_file("vmlinuz", image, KERNEL_BODY_AT + 0x200);
	assert_refused(&options, ERR_CORRUPT, "cut off");
}

static void a_kernel_that_wants_to_lie_anywhere_is_told(void **state)
{
	static const uint64_t addresses[] = {64 * MIB, UINT64_MAX, UINT64_MAX - KERNEL_INIT_SIZE + 1,
					     UINT64_C(1) << 32};
	static uint8_t image[KERNEL_IMAGE];
	struct vcpu_long_mode entry;
	(void)state;
	AUTO(guest_memory_freep) struct guest_memory *memory = new_memory(64 * MIB);
	for (size_t i = 0; i < ARRAY_LENGTH(addresses); i++) {
		AUTO(err_freep) struct err *err = NULL;
		kernel_image_make(image);
		bytes_store_le64(image + 0x258, addresses[i]);
		put_file("vmlinuz", image, sizeof(image));
		AUTO(linux_boot_freep) struct linux_boot *boot = open_boot(NULL, NULL);
		assert_false(linux_boot_place(boot, memory, RSDP, &entry, &err));
	}
}

static void what_is_not_there_is_told(void **state)
{
	static char line[3000];
	static uint8_t image[KERNEL_IMAGE];
	(void)state;
	kernel_image_make(image);
	put_file("vmlinuz", image, sizeof(image));
	memset(line, 'x', sizeof(line) - 1);
	const struct linux_boot_options no_kernel = {.kernel = "nowhere"};
	const struct linux_boot_options folder = {.kernel = "."};
	const struct linux_boot_options no_initrd = {.kernel = "vmlinuz", .initrd = "nowhere"};
	const struct linux_boot_options long_line = {.kernel = "vmlinuz", .command_line = line};
	assert_refused(&no_kernel, ERR_NOT_FOUND, "kernel 'nowhere'");
	assert_refused(&folder, ERR_USAGE, "no regular file");
	assert_refused(&no_initrd, ERR_NOT_FOUND, "initrd 'nowhere'");
	assert_refused(&long_line, ERR_USAGE, "has 2999 bytes, and it takes 2047");
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, folder_enter, folder_leave)
	const struct CMUnitTest tests[] = {
		T(all_is_where_the_kernel_looks), T(a_restart_finds_all_as_the_first_start),
		T(each_address_is_its_own),	  T(the_initrd_lies_where_the_kernel_allows),
		T(too_little_memory_is_told),	  T(a_file_that_shrank_is_told),
		T(hostile_heads_are_refused),	  T(a_kernel_that_wants_to_lie_anywhere_is_told),
		T(what_is_not_there_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
