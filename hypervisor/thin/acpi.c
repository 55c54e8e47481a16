/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All tables but the RSDP are one run of bytes, in which a pointer holds an offset from its begin. A list says where
 * pointers and checksums are; whoever knows where the run will lie goes through both: pointers first, then checksums in
 * order.
 */
#include "hypervisor/thin/acpi.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/acpi_aml.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/fw_cfg.h"
#include "hypervisor/thin/guest_memory.h"
#include "hypervisor/thin/pci.h"
#include "hypervisor/thin/power.h"
#include "hypervisor/thin/rtc.h"
#include "hypervisor/thin/serial.h"

#define RSDP_FILE "etc/acpi/rsdp"
#define TABLES_FILE "etc/acpi/tables"
#define LINKER_FILE "etc/table-loader"

enum { TABLES_MAX = 65536, LINKS_MAX = 8, SUMS_MAX = 8, TABLES_ALIGNMENT = 64 };

/* Section 5.2.6: every table's head. */
enum { HEAD_LENGTH = 4, HEAD_CHECKSUM = 9, HEAD_SIZE = 36 };

enum { RSDP_CHECKSUM = 8, RSDP_XSDT = 24, RSDP_CHECKSUM_ALL = 32, RSDP_SIZE_1 = 20, RSDP_SIZE = 36 };

/* A pointer into the tables. */
struct link {
	bool in_rsdp;
	uint32_t at;
	uint8_t size;
};

/* The bytes from start on sum up to zero by the one that is at `at`. */
struct sum {
	bool in_rsdp;
	uint32_t at, start, length;
};

struct acpi {
	struct bytes rsdp, tables;
	struct link links[LINKS_MAX];
	struct sum sums[SUMS_MAX];
	size_t n_links, n_sums;
};

/* ---- What all tables have ---- */

static size_t begin_table(struct acpi *acpi, const char *signature, uint8_t revision)
{
	struct bytes *to = &acpi->tables;
	size_t start = to->len;
	bytes_put(to, signature, 4);
	bytes_u32(to, 0); /* the length */
	bytes_u8(to, revision);
	bytes_u8(to, 0); /* the checksum */
	bytes_put(to, "SALVORSALVORVM", 6 + 8);
	bytes_u32(to, 1);
	bytes_put(to, "SLVR", 4);
	bytes_u32(to, 1);
	return start;
}

static void add_sum(struct acpi *acpi, struct sum sum)
{
	assert(acpi->n_sums < SUMS_MAX);
	acpi->sums[acpi->n_sums++] = sum;
}

static void end_table(struct acpi *acpi, size_t start)
{
	uint32_t length = (uint32_t)(acpi->tables.len - start);
	if (bytes_ok(&acpi->tables))
		bytes_store_le32(acpi->tables.data + start + HEAD_LENGTH, length);
	add_sum(acpi, (struct sum){.at = (uint32_t)start + HEAD_CHECKSUM, .start = (uint32_t)start, .length = length});
}

/* Appends a pointer of 4 or 8 bytes to what is at `target` in the tables. */
static void put_link(struct acpi *acpi, bool in_rsdp, size_t target, uint8_t size)
{
	struct bytes *to = in_rsdp ? &acpi->rsdp : &acpi->tables;
	assert(acpi->n_links < LINKS_MAX);
	acpi->links[acpi->n_links++] = (struct link){.in_rsdp = in_rsdp, .at = (uint32_t)to->len, .size = size};
	bytes_u32(to, (uint32_t)target);
	if (size == 8)
		bytes_u32(to, 0);
}

/* ---- DSDT ---- */

static void describe_pci(struct bytes *aml)
{
	size_t device = aml_device(aml, "PCI0");
	aml_name(aml, "_HID");
	aml_eisa_id(aml, "PNP0A03");
	aml_name(aml, "_UID");
	aml_integer(aml, 0);
	aml_name(aml, "_BBN");
	aml_integer(aml, 0);
	aml_name(aml, "_CRS");
	struct aml_resources resources = aml_resources(aml);
	aml_window_buses(aml, 0, 0);
	aml_ports(aml, 0xcf8, 8);
	aml_window_ports(aml, 0x0000, 0x0cf7);
	aml_window_ports(aml, 0x0d00, 0xffff);
	aml_window_memory(aml, PCI_WINDOW_BASE, PCI_WINDOW_END - 1);
	aml_resources_end(aml, resources);
	aml_end(aml, device);
}

/* A device of the PC's own, with its ports and its line. */
static void describe_device(struct bytes *aml, const char *name, const char *id, uint16_t port, uint8_t ports,
			    enum line line)
{
	size_t device = aml_device(aml, name);
	aml_name(aml, "_HID");
	aml_eisa_id(aml, id);
	aml_name(aml, "_UID");
	aml_integer(aml, 1);
	aml_name(aml, "_CRS");
	struct aml_resources resources = aml_resources(aml);
	aml_ports(aml, port, ports);
	aml_line(aml, line);
	aml_resources_end(aml, resources);
	aml_end(aml, device);
}

static void describe_vm_generation(struct bytes *aml, uint64_t address)
{
	const uint64_t halves[] = {(uint32_t)address, address >> 32};
	size_t device = aml_device(aml, "VGEN");
	aml_name(aml, "_HID");
	aml_string(aml, "SLVR0001");
	aml_name(aml, "_CID");
	aml_string(aml, "VM_Gen_Counter");
	aml_name(aml, "_DDN");
	aml_string(aml, "VM_Gen_Counter");
	aml_name(aml, "ADDR");
	aml_integers(aml, halves, ARRAY_LENGTH(halves));
	aml_end(aml, device);
}

/* Of each processor of the MADT, with its number there (section 8.4). */
static void describe_processors(struct bytes *aml, unsigned vcpus)
{
	for (unsigned i = 0; i < vcpus; i++) {
		char name[sizeof("CPFF")];
		snprintf(name, sizeof(name), "CP%02X", i & UINT8_MAX);
		size_t device = aml_device(aml, name);
		aml_name(aml, "_HID");
		aml_string(aml, "ACPI0007");
		aml_name(aml, "_UID");
		aml_integer(aml, i);
		aml_end(aml, device);
	}
}

static size_t add_dsdt(struct acpi *acpi, const struct acpi_options *options)
{
	static const uint64_t s5[] = {POWER_S5, POWER_S5, 0, 0};
	size_t start = begin_table(acpi, "DSDT", 2);
	struct bytes *aml = &acpi->tables;
	aml_name(aml, "_S5_");
	aml_integers(aml, s5, ARRAY_LENGTH(s5));
	size_t scope = aml_scope(aml, "\\_SB_");
	describe_processors(aml, options->vcpus);
	describe_pci(aml);
	describe_device(aml, "COM1", "PNP0501", SERIAL_PORT, 8, LINE_SERIAL);
	describe_device(aml, "RTC_", "PNP0B00", RTC_PORT, 2, LINE_RTC);
	describe_vm_generation(aml, options->vm_generation);
	aml_end(aml, scope);
	end_table(acpi, start);
	return start;
}

/* ---- The other tables ---- */

/* Section 5.2.10: where a sleeping machine would be woken, and the global lock. It has no checksum. */
static size_t add_facs(struct acpi *acpi)
{
	enum { SIZE = 64, REST = SIZE - 33 };
	size_t start = acpi->tables.len;
	bytes_put(&acpi->tables, "FACS", 4);
	bytes_u32(&acpi->tables, SIZE);
	(void)bytes_extend(&acpi->tables, 24);
	bytes_u8(&acpi->tables, 2);
	(void)bytes_extend(&acpi->tables, REST);
	return start;
}

/* Section 5.2.9, the fields from SCI_INT to GPE1_BASE: the fixed hardware. */
static void put_fixed_hardware(struct bytes *to)
{
	bytes_u16(to, LINE_ACPI);
	bytes_u32(to, 0); /* no SMI command: ACPI is always on */
	bytes_u32(to, 0);
	bytes_u32(to, POWER_PM1_EVENT);
	bytes_u32(to, 0);
	bytes_u32(to, POWER_PM1_CONTROL);
	bytes_u32(to, 0);
	bytes_u32(to, 0);
	bytes_u32(to, POWER_PM_TIMER);
	bytes_u32(to, 0); /* no general-purpose events */
	bytes_u32(to, 0);
	bytes_u8(to, 4); /* lengths: event, control, PM2, timer, GPE0, GPE1 */
	bytes_u8(to, 2);
	bytes_u8(to, 0);
	bytes_u8(to, 4);
	bytes_u8(to, 0);
	bytes_u8(to, 0);
	bytes_u8(to, 0);
}

/* The fields from CST_CNT to FADT Minor Version. */
static void put_features(struct bytes *to)
{
	enum { LEGACY_DEVICES = 1 << 0, NO_VGA = 1 << 2 }; /* and no keyboard controller */
	enum {
		WBINVD = 1 << 0,
		PROC_C1 = 1 << 2,
		NO_SLEEP_BUTTON = 1 << 5,
		NO_RTC_WAKE = 1 << 6,
		TIMER_32 = 1 << 8,
		RESET_REGISTER = 1 << 10,
	};
	enum { TOO_SLOW = 0x0fff, SPACE_PORTS = 1, ACCESS_BYTE = 1 };
	bytes_u8(to, 0);
	bytes_u16(to, TOO_SLOW); /* neither C2 nor C3 */
	bytes_u16(to, TOO_SLOW);
	(void)bytes_extend(to, 8); /* flushing, duty cycles, the alarm's day and month: none */
	bytes_u8(to, RTC_CENTURY);
	bytes_u16(to, LEGACY_DEVICES | NO_VGA);
	bytes_u8(to, 0);
	bytes_u32(to, WBINVD | PROC_C1 | NO_SLEEP_BUTTON | NO_RTC_WAKE | TIMER_32 | RESET_REGISTER);
	bytes_u8(to, SPACE_PORTS);
	bytes_u8(to, 8);
	bytes_u8(to, 0);
	bytes_u8(to, ACCESS_BYTE);
	bytes_u64(to, POWER_RESET);
	bytes_u8(to, POWER_RESET_VALUE);
	bytes_u16(to, 0);
	bytes_u8(to, 0);
}

/* Section 5.2.9. All lies below 4 GiB, so the extended addresses stay zero. */
static size_t add_fadt(struct acpi *acpi, size_t facs, size_t dsdt)
{
	enum { EXTENDED = 268 - 132 };
	size_t start = begin_table(acpi, "FACP", 6);
	put_link(acpi, false, facs, 4);
	put_link(acpi, false, dsdt, 4);
	bytes_u16(&acpi->tables, 0); /* reserved, and no preferred profile */
	put_fixed_hardware(&acpi->tables);
	put_features(&acpi->tables);
	(void)bytes_extend(&acpi->tables, EXTENDED);
	bytes_put(&acpi->tables, "SALVORVM", 8);
	end_table(acpi, start);
	return start;
}

/* Section 5.2.12. KVM routes line n to input n of the I/O APIC, so the one exception is how line 9 is driven. */
static size_t add_madt(struct acpi *acpi, unsigned vcpus)
{
	enum { LOCAL_APIC = 0, IO_APIC = 1, OVERRIDE = 2, LOCAL_NMI = 4 };
	enum { DUAL_8259 = 1, ENABLED = 1, ACTIVE_HIGH_LEVEL = 0x0d, ALL = 0xff, LINT1 = 1 };
	struct bytes *to = &acpi->tables;
	size_t start = begin_table(acpi, "APIC", 5);
	bytes_u32(to, ACPI_LOCAL_APICS);
	bytes_u32(to, DUAL_8259);
	for (unsigned i = 0; i < vcpus; i++) {
		const uint8_t local_apic[] = {LOCAL_APIC, 8, (uint8_t)i, (uint8_t)i, ENABLED, 0, 0, 0};
		bytes_put(to, local_apic, sizeof(local_apic));
	}
	const uint8_t io_apic[] = {IO_APIC, 12, 0, 0};
	bytes_put(to, io_apic, sizeof(io_apic));
	bytes_u32(to, ACPI_IO_APIC);
	bytes_u32(to, 0);
	const uint8_t override[] = {OVERRIDE, 10, 0, LINE_ACPI, LINE_ACPI, 0, 0, 0, ACTIVE_HIGH_LEVEL, 0};
	bytes_put(to, override, sizeof(override));
	const uint8_t nmi[] = {LOCAL_NMI, 6, ALL, 0, 0, LINT1};
	bytes_put(to, nmi, sizeof(nmi));
	end_table(acpi, start);
	return start;
}

static size_t add_xsdt(struct acpi *acpi, size_t fadt, size_t madt)
{
	size_t start = begin_table(acpi, "XSDT", 1);
	put_link(acpi, false, fadt, 8);
	put_link(acpi, false, madt, 8);
	end_table(acpi, start);
	return start;
}

/* Section 5.2.5.3. */
static void add_rsdp(struct acpi *acpi, size_t xsdt)
{
	struct bytes *to = &acpi->rsdp;
	bytes_put(to, "RSD PTR ", 8);
	bytes_u8(to, 0);
	bytes_put(to, "SALVOR", 6);
	bytes_u8(to, 2);
	bytes_u32(to, 0); /* there is an XSDT alone */
	bytes_u32(to, RSDP_SIZE);
	put_link(acpi, true, xsdt, 8);
	bytes_u32(to, 0); /* the second checksum */
	add_sum(acpi, (struct sum){.in_rsdp = true, .at = RSDP_CHECKSUM, .length = RSDP_SIZE_1});
	add_sum(acpi, (struct sum){.in_rsdp = true, .at = RSDP_CHECKSUM_ALL, .length = RSDP_SIZE});
}

struct acpi *acpi_new(const struct acpi_options *options, struct err **errp)
{
	AUTO(acpi_freep) struct acpi *acpi = calloc(1, sizeof(*acpi));
	if (!acpi) {
		err_set_no_memory(errp);
		return NULL;
	}
	bytes_init(&acpi->rsdp, RSDP_SIZE);
	bytes_init(&acpi->tables, TABLES_MAX);
	size_t facs = add_facs(acpi); /* first, for its alignment */
	size_t dsdt = add_dsdt(acpi, options);
	size_t fadt = add_fadt(acpi, facs, dsdt);
	size_t madt = add_madt(acpi, options->vcpus);
	add_rsdp(acpi, add_xsdt(acpi, fadt, madt));
	if (!bytes_ok(&acpi->rsdp) || !bytes_ok(&acpi->tables)) {
		err_set_no_memory(errp);
		return NULL;
	}
	return STEAL(&acpi);
}

void acpi_free(struct acpi *acpi)
{
	if (!acpi)
		return;
	bytes_release(&acpi->rsdp);
	bytes_release(&acpi->tables);
	free(acpi);
}

/* ---- Linked by the firmware ---- */

/* A command of the linker: le32 which, and its operands, in 128 bytes. Names of files have 56. */
enum {
	COMMAND_SIZE = 128,
	COMMAND_ALLOCATE = 1, /* file, le32 alignment, u8 zone */
	COMMAND_LINK = 2,     /* file with the pointer, file it points into, le32 where, u8 its size */
	COMMAND_SUM = 3,      /* file, le32 where, le32 start, le32 length */
	ZONE_HIGH = 1,
	ZONE_BELOW_1M = 2,
	NAME_SIZE = 56,
	OPERANDS = 4,
};

static uint8_t *put_command(struct bytes *to, uint32_t command)
{
	uint8_t *at = bytes_extend(to, COMMAND_SIZE);
	if (at)
		bytes_store_le32(at, command);
	return at;
}

static const char *file_of(bool in_rsdp)
{
	return in_rsdp ? RSDP_FILE : TABLES_FILE;
}

static void put_file(uint8_t *at, const char *name)
{
	assert(strlen(name) < NAME_SIZE);
	memcpy(at, name, strlen(name) + 1);
}

static void put_allocate(struct bytes *to, const char *file, uint32_t alignment, uint8_t zone)
{
	uint8_t *at = put_command(to, COMMAND_ALLOCATE);
	if (!at)
		return;
	put_file(at + OPERANDS, file);
	bytes_store_le32(at + OPERANDS + NAME_SIZE, alignment);
	at[OPERANDS + NAME_SIZE + 4] = zone;
}

static void put_link_command(struct bytes *to, const struct link *link)
{
	uint8_t *at = put_command(to, COMMAND_LINK);
	if (!at)
		return;
	put_file(at + OPERANDS, file_of(link->in_rsdp));
	put_file(at + OPERANDS + NAME_SIZE, TABLES_FILE);
	bytes_store_le32(at + OPERANDS + 2 * NAME_SIZE, link->at);
	at[OPERANDS + 2 * NAME_SIZE + 4] = link->size;
}

static void put_sum_command(struct bytes *to, const struct sum *sum)
{
	uint8_t *at = put_command(to, COMMAND_SUM);
	if (!at)
		return;
	put_file(at + OPERANDS, file_of(sum->in_rsdp));
	bytes_store_le32(at + OPERANDS + NAME_SIZE, sum->at);
	bytes_store_le32(at + OPERANDS + NAME_SIZE + 4, sum->start);
	bytes_store_le32(at + OPERANDS + NAME_SIZE + 8, sum->length);
}

static void write_linker(const struct acpi *acpi, struct bytes *to)
{
	put_allocate(to, RSDP_FILE, 16, ZONE_BELOW_1M);
	put_allocate(to, TABLES_FILE, TABLES_ALIGNMENT, ZONE_HIGH);
	for (size_t i = 0; i < acpi->n_links; i++)
		put_link_command(to, &acpi->links[i]);
	for (size_t i = 0; i < acpi->n_sums; i++)
		put_sum_command(to, &acpi->sums[i]);
}

bool acpi_add_to(const struct acpi *acpi, struct fw_cfg *fw_cfg, struct err **errp)
{
	AUTO(bytes_release) struct bytes linker;
	bytes_init(&linker, (2 + LINKS_MAX + SUMS_MAX) * COMMAND_SIZE);
	write_linker(acpi, &linker);
	if (!bytes_ok(&linker))
		return err_set_no_memory(errp);
	return fw_cfg_add_file(fw_cfg, RSDP_FILE, bytes_span(&acpi->rsdp), errp) &&
	       fw_cfg_add_file(fw_cfg, TABLES_FILE, bytes_span(&acpi->tables), errp) &&
	       fw_cfg_add_file(fw_cfg, LINKER_FILE, bytes_span(&linker), errp);
}

/* ---- Linked by us ---- */

static void link_tables(const struct acpi *acpi, uint8_t *rsdp, uint8_t *tables, uint32_t address)
{
	for (size_t i = 0; i < acpi->n_links; i++) {
		uint8_t *at = (acpi->links[i].in_rsdp ? rsdp : tables) + acpi->links[i].at;
		bytes_store_le32(at, bytes_load_le32(at) + address);
	}
	for (size_t i = 0; i < acpi->n_sums; i++) {
		const struct sum *sum = &acpi->sums[i];
		uint8_t *in = sum->in_rsdp ? rsdp : tables;
		for (uint32_t j = 0; j < sum->length; j++)
			if (sum->start + j != sum->at)
				in[sum->at] -= in[sum->start + j];
	}
}

static bool copy(struct bytes *to, const struct bytes *from, struct err **errp)
{
	bytes_init(to, from->len);
	bytes_put(to, from->data, from->len);
	return bytes_ok(to) || err_set_no_memory(errp);
}

bool acpi_place(const struct acpi *acpi, struct guest_memory *memory, struct err **errp)
{
	enum { TABLES_ADDRESS = ACPI_RSDP_ADDRESS + TABLES_ALIGNMENT };
	AUTO(bytes_release) struct bytes rsdp = {0}, tables = {0};
	if (!copy(&rsdp, &acpi->rsdp, errp) || !copy(&tables, &acpi->tables, errp))
		return false;
	link_tables(acpi, rsdp.data, tables.data, TABLES_ADDRESS);
	bool there = guest_memory_write(memory, ACPI_RSDP_ADDRESS, rsdp.data, rsdp.len) &&
		     guest_memory_write(memory, TABLES_ADDRESS, tables.data, tables.len);
	assert(there); /* every machine has RAM below 1 MiB */
	return true;
}
