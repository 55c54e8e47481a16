/* SPDX-License-Identifier: Apache-2.0 */
/* usage: acpi_dump FOLDER: writes the tables of a machine with two processors there, each as a file, for iasl to read.
 */
#include <stdio.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/acpi.h"
#include "hypervisor/thin/guest_memory.h"

enum { MEMORY = 16 << 20, VCPUS = 2 };

static bool dump(const struct guest_memory *memory, uint64_t address, const char *folder, struct err **errp)
{
	const uint8_t *head = guest_memory_for_reading(memory, address, 8);
	AUTO(freep) char *path = file_format("%s/%.4s.dat", folder, (const char *)head);
	if (!path)
		return err_set_no_memory(errp);
	return file_replace(path, SPAN(head, bytes_load_le32(head + 4)), 0644, errp);
}

static bool run(const char *folder, struct err **errp)
{
	const struct acpi_options options = {.vcpus = VCPUS, .vm_generation = MEMORY - 4096};
	AUTO(guest_memory_freep) struct guest_memory *memory = guest_memory_new(MEMORY, errp);
	AUTO(acpi_freep) struct acpi *acpi = memory ? acpi_new(&options, errp) : NULL;
	if (!acpi || !acpi_place(acpi, memory, errp))
		return false;
	const uint8_t *rsdp = guest_memory_for_reading(memory, ACPI_RSDP_ADDRESS, 36);
	uint64_t xsdt = bytes_load_le64(rsdp + 24);
	const uint8_t *tables = guest_memory_for_reading(memory, xsdt, 36 + 2 * 8);
	uint64_t fadt = bytes_load_le64(tables + 36), madt = bytes_load_le64(tables + 44);
	uint32_t dsdt = bytes_load_le32(guest_memory_for_reading(memory, fadt + 40, 4));
	return dump(memory, xsdt, folder, errp) && dump(memory, fadt, folder, errp) &&
	       dump(memory, madt, folder, errp) && dump(memory, dsdt, folder, errp);
}

int main(int argc, char **argv)
{
	AUTO(err_freep) struct err *err = NULL;
	if (argc != 2)
		return 2;
	if (run(argv[1], &err))
		return 0;
	fprintf(stderr, "acpi_dump: %s\n", err_message(err));
	return 1;
}
