/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables by which a guest learns what its machine is (ACPI Specification 6.4, section 5.2): RSDP, XSDT, FADT, FACS,
 * MADT and a DSDT. They are made once, without addresses; where they lie is decided by the firmware, which is told by
 * fw_cfg how to link them (QEMU, hw/acpi/bios-linker-loader), or by us where there is none.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct acpi;
struct err;
struct fw_cfg;
struct guest_memory;

struct acpi_options {
	unsigned vcpus;
	uint64_t vm_generation; /* the guest-physical address of its GUID */
};

enum {
	ACPI_RSDP_ADDRESS = 0xe0000, /* where acpi_place() puts the RSDP; the tables follow */
	ACPI_LOCAL_APICS = 0xfee00000,
	ACPI_IO_APIC = 0xfec00000,
};

NODISCARD struct acpi *acpi_new(const struct acpi_options *options, struct err **errp);
void acpi_free(struct acpi *acpi);
DEFINE_AUTO_FREE(struct acpi, acpi_free);
/* Adds etc/acpi/rsdp, etc/acpi/tables and etc/table-loader. */
NODISCARD bool acpi_add_to(const struct acpi *acpi, struct fw_cfg *fw_cfg, struct err **errp);
/* For a machine without firmware. */
NODISCARD bool acpi_place(const struct acpi *acpi, struct guest_memory *memory, struct err **errp);
