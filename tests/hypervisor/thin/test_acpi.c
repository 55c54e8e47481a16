/* SPDX-License-Identifier: Apache-2.0 */
/* The ACPI tables: found from the RSDP on as a kernel finds them, and linked by the commands for firmware to the same
 * bytes. */
#include "hypervisor/thin/acpi.h"

#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/acpi_aml.h"
#include "hypervisor/thin/fw_cfg.h"
#include "hypervisor/thin/power.h"
#include "tests/hypervisor/thin/recorded_board.h"
#include "tests/unit.h"

enum { VCPUS = 3, NAME = 56, COMMAND = 128 };

#define GENERATION UINT64_C(0x1fff000)

struct bench {
	struct recorded_board *record;
	struct acpi *acpi;
};

static int set_up(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct acpi_options options = {.vcpus = VCPUS, .vm_generation = GENERATION};
	struct bench *bench = calloc(1, sizeof(*bench));
	assert_non_null(bench);
	bench->record = recorded_board_new(32 << 20);
	bench->acpi = acpi_new(&options, &err);
	assert_non_null(bench->acpi);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	acpi_free(bench->acpi);
	recorded_board_free(bench->record);
	free(bench);
	return 0;
}

/* ---- As a kernel finds them ---- */

static const uint8_t *at(const struct bench *bench, uint64_t address, size_t size)
{
	const uint8_t *found = guest_memory_for_reading(bench->record->board.memory, address, size);
	assert_non_null(found);
	return found;
}

static void assert_sum(const uint8_t *data, size_t size)
{
	uint8_t sum = 0;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + data[i]);
	assert_int_equal(sum, 0);
}

static const uint8_t *table(const struct bench *bench, uint64_t address, const char *signature, uint32_t *ret_length)
{
	const uint8_t *head = at(bench, address, 36);
	assert_memory_equal(head, signature, 4);
	*ret_length = bytes_load_le32(head + 4);
	const uint8_t *whole = at(bench, address, *ret_length);
	assert_sum(whole, *ret_length);
	return whole;
}

static void place(const struct bench *bench)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_true(acpi_place(bench->acpi, bench->record->board.memory, &err));
}

static const uint8_t *xsdt(const struct bench *bench)
{
	uint32_t length;
	const uint8_t *rsdp = at(bench, ACPI_RSDP_ADDRESS, 36);
	assert_memory_equal(rsdp, "RSD PTR ", 8);
	assert_int_equal(rsdp[15], 2);
	assert_sum(rsdp, 20);
	assert_sum(rsdp, 36);
	const uint8_t *found = table(bench, bytes_load_le64(rsdp + 24), "XSDT", &length);
	assert_int_equal(length, 36 + 2 * 8);
	return found;
}

static void the_fadt_says_what_the_hardware_does(void **state)
{
	struct bench *bench = *state;
	uint32_t length;
	place(bench);
	const uint8_t *fadt = table(bench, bytes_load_le64(xsdt(bench) + 36), "FACP", &length);
	assert_int_equal(length, 276);
	assert_int_equal(bytes_load_le16(fadt + 46), 9);
	assert_int_equal(bytes_load_le32(fadt + 56), POWER_PM1_EVENT);
	assert_int_equal(bytes_load_le32(fadt + 64), POWER_PM1_CONTROL);
	assert_int_equal(bytes_load_le32(fadt + 76), POWER_PM_TIMER);
	assert_memory_equal(fadt + 88, "\4\2\0\4\0\0", 6);
	assert_int_equal(fadt[108], 0x32);
	assert_int_equal(bytes_load_le32(fadt + 112) >> 8 & 1, 1); /* the timer has 32 bits */
	assert_int_equal(bytes_load_le64(fadt + 120), 0xcf9);
	assert_int_equal(fadt[128], 6);
	assert_memory_equal(fadt + 268, "SALVORVM", 8);
	uint32_t facs = bytes_load_le32(fadt + 36);
	assert_int_equal(facs % 64, 0);
	assert_memory_equal(at(bench, facs, 64), "FACS\x40\0\0\0", 8);
	table(bench, bytes_load_le32(fadt + 40), "DSDT", &length);
}

static void the_madt_has_all_processors(void **state)
{
	struct bench *bench = *state;
	unsigned seen[5] = {0};
	uint32_t length;
	place(bench);
	const uint8_t *madt = table(bench, bytes_load_le64(xsdt(bench) + 44), "APIC", &length);
	assert_int_equal(bytes_load_le32(madt + 36), ACPI_LOCAL_APICS);
	for (uint32_t i = 44; i < length; i += madt[i + 1]) {
		assert_true(madt[i] < 5 && madt[i + 1] > 0);
		seen[madt[i]]++;
	}
	assert_int_equal(seen[0], VCPUS);
	assert_int_equal(seen[1], 1);
	assert_int_equal(seen[2], 1);
	assert_int_equal(seen[4], 1);
}

static const uint8_t *dsdt(const struct bench *bench, uint32_t *ret_length)
{
	const uint8_t *fadt = table(bench, bytes_load_le64(xsdt(bench) + 36), "FACP", ret_length);
	return table(bench, bytes_load_le32(fadt + 40), "DSDT", ret_length);
}

/* By the number by which the MADT knows it. */
static void assert_processor(const uint8_t *aml, uint32_t length, unsigned number)
{
	const char name[] = {'C', 'P', '0', (char)('0' + number)};
	AUTO(bytes_release) struct bytes device;
	bytes_init(&device, 64);
	bytes_put(&device, name, sizeof(name));
	aml_name(&device, "_HID");
	aml_string(&device, "ACPI0007");
	aml_name(&device, "_UID");
	aml_integer(&device, number);
	assert_true(bytes_ok(&device));
	assert_non_null(memmem(aml, length, device.data, device.len));
}

static void each_processor_is_a_device_of_the_namespace(void **state)
{
	struct bench *bench = *state;
	uint32_t length, madt_length;
	place(bench);
	const uint8_t *aml = dsdt(bench, &length);
	const uint8_t *madt = table(bench, bytes_load_le64(xsdt(bench) + 44), "APIC", &madt_length);
	for (unsigned i = 0; i < VCPUS; i++) {
		const uint8_t local_apic[] = {0, 8, (uint8_t)i, (uint8_t)i, 1};
		assert_processor(aml, length, i);
		assert_non_null(memmem(madt, madt_length, local_apic, sizeof(local_apic)));
	}
	assert_null(memmem(aml, length, "CP03", 4));
}

static void the_generation_is_in_the_dsdt(void **state)
{
	static const char package[] = "ADDR\x12\x80\x00\x00";
	struct bench *bench = *state;
	uint32_t length;
	place(bench);
	const uint8_t *aml = dsdt(bench, &length), *addr = memmem(aml, length, package, 5);
	assert_non_null(addr);
	assert_memory_equal(addr + 8, "\2\x0c\0\xf0\xff\1\0", 7);
}

/* ---- As firmware links them ---- */

/* Returns the size; the file's bytes go to where it was allocated. */
static uint32_t find_file(const struct bench *bench, const char *name, uint16_t *ret_key)
{
	uint8_t entry[64];
	port_out(bench->record, FW_CFG_PORT, 2, 0x19);
	for (unsigned i = 0; i < 4; i++)
		port_in(bench->record, FW_CFG_PORT + 1, 1);
	for (;;) {
		for (unsigned i = 0; i < sizeof(entry); i++)
			entry[i] = (uint8_t)port_in(bench->record, FW_CFG_PORT + 1, 1);
		assert_true(entry[8] != 0);
		if (strcmp((char *)entry + 8, name) == 0)
			break;
	}
	*ret_key = (uint16_t)(entry[4] << 8 | entry[5]);
	return (uint32_t)(bytes_load_be64(entry) >> 32);
}

static uint32_t read_file(const struct bench *bench, const char *name, uint8_t *to)
{
	uint16_t key;
	uint32_t size = find_file(bench, name, &key);
	port_out(bench->record, FW_CFG_PORT, 2, key);
	for (uint32_t i = 0; i < size; i++)
		to[i] = (uint8_t)port_in(bench->record, FW_CFG_PORT + 1, 1);
	return size;
}

/* Where firmware put a file: at the same places as acpi_place(). */
static uint8_t *where(uint8_t *rsdp, uint8_t *tables, const uint8_t *name)
{
	return strcmp((const char *)name, "etc/acpi/rsdp") == 0 ? rsdp : tables;
}

static void obey(const uint8_t *command, uint8_t *rsdp, uint8_t *tables)
{
	const uint8_t *operands = command + 4 + NAME;
	uint8_t *file = where(rsdp, tables, command + 4);
	if (command[0] == 2) {
		uint8_t *pointer = file + bytes_load_le32(operands + NAME);
		assert_string_equal(operands, "etc/acpi/tables");
		bytes_store_le32(pointer, bytes_load_le32(pointer) + ACPI_RSDP_ADDRESS + 64);
	} else if (command[0] == 3) {
		uint8_t *sum = file + bytes_load_le32(operands);
		const uint8_t *start = file + bytes_load_le32(operands + 4);
		for (uint32_t i = 0, n = bytes_load_le32(operands + 8); i < n; i++)
			*sum = (uint8_t)(*sum - (start + i == sum ? 0 : start[i]));
	} else {
		assert_int_equal(command[0], 1);
	}
}

static void firmware_links_the_same_tables(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	struct bench *bench = *state;
	static uint8_t rsdp[64], tables[65536], commands[65536];
	AUTO(fw_cfg_freep) struct fw_cfg *fw_cfg = fw_cfg_new(&bench->record->board, VCPUS, &err);
	assert_non_null(fw_cfg);
	assert_true(acpi_add_to(bench->acpi, fw_cfg, &err));
	uint32_t rsdp_size = read_file(bench, "etc/acpi/rsdp", rsdp);
	uint32_t tables_size = read_file(bench, "etc/acpi/tables", tables);
	uint32_t size = read_file(bench, "etc/table-loader", commands);
	assert_int_equal(size % COMMAND, 0);
	for (uint32_t i = 0; i < size; i += COMMAND)
		obey(commands + i, rsdp, tables);
	place(bench);
	assert_memory_equal(rsdp, at(bench, ACPI_RSDP_ADDRESS, rsdp_size), rsdp_size);
	assert_memory_equal(tables, at(bench, ACPI_RSDP_ADDRESS + 64, tables_size), tables_size);
}

/* ---- AML ---- */

static void aml_is_as_the_specification_has_it(void **state)
{
	static const uint8_t expected[] = {
		0x08, '_',  'H',  'I',	'D',  0x0c, 0x41, 0xd0, 0x0a, 0x03, /* the EISA id of PCI */
		0x00, 0x01, 0x0a, 0x02, 0x0b, 0x34, 0x12, 0x0c, 0x00, 0x00, 0x01, 0x00, 0x0e, 0,   0,	0,  0,
		1,    0,    0,	  0,	0x0d, 'a',  0,	  0x5b, 0x82, 0x87, 0x00, 0x00, 'A',  'B', 'C', 'D'};
	(void)state;
	AUTO(bytes_release) struct bytes aml;
	bytes_init(&aml, 256);
	aml_name(&aml, "_HID");
	aml_eisa_id(&aml, "PNP0A03");
	aml_integer(&aml, 0);
	aml_integer(&aml, 1);
	aml_integer(&aml, 2);
	aml_integer(&aml, 0x1234);
	aml_integer(&aml, 0x10000);
	aml_integer(&aml, UINT64_C(1) << 32);
	aml_string(&aml, "a");
	aml_end(&aml, aml_device(&aml, "ABCD"));
	assert_true(bytes_ok(&aml));
	assert_int_equal(aml.len, sizeof(expected));
	assert_memory_equal(aml.data, expected, sizeof(expected));
}

static void short_memory_is_told_at_the_end(void **state)
{
	(void)state;
	AUTO(bytes_release) struct bytes aml;
	bytes_init(&aml, 4);
	size_t device = aml_device(&aml, "ABCD");
	struct aml_resources resources = aml_resources(&aml);
	aml_line(&aml, 4);
	aml_resources_end(&aml, resources);
	aml_end(&aml, device);
	assert_false(bytes_ok(&aml));
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(the_fadt_says_what_the_hardware_does),
		T(the_madt_has_all_processors),
		T(each_processor_is_a_device_of_the_namespace),
		T(the_generation_is_in_the_dsdt),
		T(firmware_links_the_same_tables),
		cmocka_unit_test(aml_is_as_the_specification_has_it),
		cmocka_unit_test(short_memory_is_told_at_the_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
