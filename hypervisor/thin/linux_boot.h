/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts a Linux kernel without firmware, by its 64-bit boot protocol (Linux, Documentation/arch/x86/boot.rst, 2.12 and
 * later). Kernel and initrd are opened and checked once, and read again at each reset of the machine.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/thin/vcpu.h"

struct err;
struct guest_memory;
struct linux_boot;

/* What is put below 1 MiB. */
enum {
	LINUX_BOOT_GDT = 0x500,
	LINUX_BOOT_PARAMETERS = 0x7000,
	LINUX_BOOT_STACK = 0x8ff0,
	LINUX_BOOT_PAGE_TABLES = 0x9000, /* six pages: the first 4 GiB, each address to itself */
	LINUX_BOOT_COMMAND_LINE = 0x20000,
};

struct linux_boot_options {
	const char *kernel;	  /* a bzImage */
	const char *initrd;	  /* NULL: none */
	const char *command_line; /* NULL: empty */
};

/* Opens both, and checks the kernel's head and the length of the command line. Errors name the file. */
NODISCARD struct linux_boot *linux_boot_new(const struct linux_boot_options *options, struct err **errp);
void linux_boot_free(struct linux_boot *boot);
DEFINE_AUTO_FREE(struct linux_boot, linux_boot_free);
/* The descriptors it needs in jail: at most two; returns how many. */
size_t linux_boot_descriptors(const struct linux_boot *boot, int ret[2]);
/* Puts all into memory, and says how the first vCPU begins. rsdp is where the ACPI tables begin. Blocks on the files.
 * ERR_CORRUPT where they have changed, ERR_USAGE where the memory is too small. At a clean point. */
NODISCARD bool linux_boot_place(const struct linux_boot *boot, struct guest_memory *memory, uint64_t rsdp,
				struct vcpu_long_mode *ret, struct err **errp);
