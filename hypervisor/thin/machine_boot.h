/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a machine begins, at first and after each restart: with SeaBIOS, which finds its machine by fw_cfg and boots the
 * first disk, or straight with a Linux kernel, which is read again at each restart (pread). ACPI tables and the
 * generation ID are made here, too, since both ways place them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct board;
struct err;
struct machine_boot;
struct machine_config;
struct vcpu;
struct vm;

#define MACHINE_BOOT_DESCRIPTORS 2

/* Opens and checks firmware or kernel. config, board and vm are borrowed for as long as it lives. */
NODISCARD struct machine_boot *machine_boot_new(const struct machine_config *config, const struct board *board,
						struct vm *vm, struct err **errp);
void machine_boot_free(struct machine_boot *boot);
DEFINE_AUTO_FREE(struct machine_boot, machine_boot_free);
/* The descriptors it needs in jail. Returns how many. */
size_t machine_boot_descriptors(const struct machine_boot *boot, int ret[MACHINE_BOOT_DESCRIPTORS]);
/* Fills memory, and sets the first vCPU, which is as at power-on. At a clean point. */
NODISCARD bool machine_boot_place(struct machine_boot *boot, struct vcpu *first, struct err **errp);
/* Whether these last words of the firmware say that it found nothing to boot. */
bool machine_boot_gave_up(const struct machine_boot *boot, const char *last_words);
