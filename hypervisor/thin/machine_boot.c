/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/machine_boot.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "hypervisor/thin/acpi.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/e820.h"
#include "hypervisor/thin/firmware.h"
#include "hypervisor/thin/fw_cfg.h"
#include "hypervisor/thin/linux_boot.h"
#include "hypervisor/thin/machine_config.h"
#include "hypervisor/thin/serial.h"
#include "hypervisor/thin/vm.h"
#include "hypervisor/thin/vm_generation.h"

struct machine_boot {
	const struct board *board;
	struct vm_generation generation;
	struct acpi *acpi;
	struct linux_boot *kernel; /* or these two */
	struct firmware *firmware;
	struct fw_cfg *fw_cfg;
};

static bool add_number(struct fw_cfg *fw_cfg, const char *name, uint64_t number, struct err **errp)
{
	uint8_t bytes[8];
	bytes_store_le64(bytes, number);
	return fw_cfg_add_file(fw_cfg, name, SPAN_OF(bytes), errp);
}

static bool add_e820(struct fw_cfg *fw_cfg, const struct guest_memory *memory, struct err **errp)
{
	struct e820_range ranges[E820_MAX];
	struct bytes bytes;
	bytes_init(&bytes, E820_MAX * E820_RANGE_SIZE);
	e820_write(&bytes, ranges, e820_for_firmware(memory, ranges));
	bool ok = bytes_ok(&bytes) ? fw_cfg_add_file(fw_cfg, "etc/e820", bytes_span(&bytes), errp)
				   : err_set_no_memory(errp);
	bytes_release(&bytes);
	return ok;
}

/* What SeaBIOS asks for by name: docs/Runtime_config.md of its source. It shows its text on the serial line, and waits
 * for nobody to press a key. */
static bool tell_firmware(struct machine_boot *boot, struct err **errp)
{
	return add_e820(boot->fw_cfg, boot->board->memory, errp) && acpi_add_to(boot->acpi, boot->fw_cfg, errp) &&
	       add_number(boot->fw_cfg, "etc/sercon-port", SERIAL_PORT, errp) &&
	       add_number(boot->fw_cfg, "etc/show-boot-menu", 0, errp);
}

static bool open_firmware(struct machine_boot *boot, const struct machine_config *config, struct vm *vm,
			  struct err **errp)
{
	boot->firmware = firmware_new(config->firmware ? config->firmware : FIRMWARE_DEBIAN, errp);
	if (!boot->firmware)
		return false;
	struct guest_memory_part rom = firmware_rom(boot->firmware);
	boot->fw_cfg = fw_cfg_new(boot->board, config->vcpus, errp);
	return boot->fw_cfg && tell_firmware(boot, errp) && vm_add_read_only(vm, rom.address, rom.host, rom.size, errp);
}

static bool open_kernel(struct machine_boot *boot, const struct machine_config *config, struct err **errp)
{
	const struct linux_boot_options options = {
		.kernel = config->kernel, .initrd = config->initrd, .command_line = config->command_line};
	boot->kernel = linux_boot_new(&options, errp);
	return boot->kernel;
}

struct machine_boot *machine_boot_new(const struct machine_config *config, const struct board *board, struct vm *vm,
				      struct err **errp)
{
	AUTO(machine_boot_freep) struct machine_boot *boot = calloc(1, sizeof(*boot));
	if (!boot) {
		err_set_no_memory(errp);
		return NULL;
	}
	boot->board = board;
	const struct acpi_options options = {.vcpus = config->vcpus,
					     .vm_generation = vm_generation_address(board->memory)};
	boot->acpi = acpi_new(&options, errp);
	if (!boot->acpi || !vm_generation_make(&boot->generation, errp))
		return NULL;
	bool ok = config->kernel ? open_kernel(boot, config, errp) : open_firmware(boot, config, vm, errp);
	return ok ? STEAL(&boot) : NULL;
}

void machine_boot_free(struct machine_boot *boot)
{
	if (!boot)
		return;
	fw_cfg_free(boot->fw_cfg);
	firmware_free(boot->firmware);
	linux_boot_free(boot->kernel);
	acpi_free(boot->acpi);
	free(boot);
}

size_t machine_boot_descriptors(const struct machine_boot *boot, int ret[MACHINE_BOOT_DESCRIPTORS])
{
	return boot->kernel ? linux_boot_descriptors(boot->kernel, ret) : 0;
}

static bool place_kernel(const struct machine_boot *boot, struct vcpu *first, struct err **errp)
{
	struct vcpu_long_mode entry;
	return acpi_place(boot->acpi, boot->board->memory, errp) &&
	       linux_boot_place(boot->kernel, boot->board->memory, ACPI_RSDP_ADDRESS, &entry, errp) &&
	       vcpu_enter_long_mode(first, &entry, errp);
}

bool machine_boot_place(struct machine_boot *boot, struct vcpu *first, struct err **errp)
{
	vm_generation_place(&boot->generation, boot->board->memory);
	if (boot->kernel)
		return place_kernel(boot, first, errp);
	fw_cfg_reset(boot->fw_cfg);
	firmware_place(boot->firmware, boot->board->memory);
	return true;
}

bool machine_boot_gave_up(const struct machine_boot *boot, const char *last_words)
{
	return boot->firmware && strstr(last_words, "No bootable device");
}
