/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/verify_sights.h"

#include <stddef.h>
#include <string.h>

#include "base/compiler.h"

#define ANYWHERE (SIGHT_FIRMWARE | SIGHT_CONSOLE | SIGHT_SCREEN)
#define GUEST (SIGHT_CONSOLE | SIGHT_SCREEN)

#define NO_DISK "no disk of the machine can be booted"
#define LOOK_AT_DISK \
	"its first sectors may have been wiped: look at the disk with 'salvor export', and verify an earlier point"
#define NO_LOADER "the boot loader is damaged or does not find its parts"
#define EARLIER "an earlier point may boot: 'salvor verify' tells which"
#define PANIC "the kernel panicked"
#define NO_ROOT "the system did not find its root file system and waits in its initial RAM disk"
#define SEE_LOG "the log of the console tells which disk or driver is missing"
#define EMERGENCY "the system stopped in emergency mode"
#define SEE_MOUNTS "a file system that it wants is missing or damaged, as the log of the console tells"
#define PASSWORD "the system waits for the password of an encrypted disk"
#define ACCEPT_PROMPT "if getting there is enough, say --expect with a part of that line"

static const struct sight sights[] = {
	{"No bootable device.", SIGHT_FIRMWARE | SIGHT_SCREEN, false, NO_DISK, LOOK_AT_DISK},
	{"No bootable option or device was found", ANYWHERE, false, NO_DISK, LOOK_AT_DISK},
	{"Shell>", GUEST, true, NO_DISK, LOOK_AT_DISK},
	{"grub rescue>", GUEST, true, NO_LOADER, EARLIER},
	{"grub>", GUEST, true, NO_LOADER, EARLIER},
	{"GRUB Hard Disk Error", GUEST, true, NO_LOADER, EARLIER},
	{"GRUB Read Error", GUEST, true, NO_LOADER, EARLIER},
	{"GRUB Geom Error", GUEST, true, NO_LOADER, EARLIER},
	{"Missing operating system", GUEST, true, NO_LOADER, EARLIER},
	{"Operating System not found", GUEST, true, NO_LOADER, EARLIER},
	{"BOOTMGR is missing", GUEST, true, NO_LOADER, EARLIER},
	{"NTLDR is missing", GUEST, true, NO_LOADER, EARLIER},
	{"Could not find kernel image", GUEST, true, NO_LOADER, EARLIER},
	{"No DEFAULT or UI configuration directive found", GUEST, true, NO_LOADER, EARLIER},
	{"Kernel panic - not syncing", GUEST, false, PANIC, EARLIER},
	{"(initramfs)", GUEST, true, NO_ROOT, SEE_LOG},
	{"dracut:/#", GUEST, true, NO_ROOT, SEE_LOG},
	{"You are in emergency mode", GUEST, false, EMERGENCY, SEE_MOUNTS},
	{"Entering emergency mode", GUEST, false, EMERGENCY, SEE_MOUNTS},
	{"You are in rescue mode", GUEST, false, EMERGENCY, SEE_MOUNTS},
	{"Give root password for maintenance", GUEST, true, EMERGENCY, SEE_MOUNTS},
	{"Press Enter for maintenance", GUEST, true, EMERGENCY, SEE_MOUNTS},
	{"Please unlock disk", GUEST, true, PASSWORD, ACCEPT_PROMPT},
	{"nter passphrase for", GUEST, true, PASSWORD, ACCEPT_PROMPT},
};

const struct sight *sight_find(unsigned place, const char *line, bool whole, const char **ret_at)
{
	for (size_t i = 0; i < ARRAY_LENGTH(sights); i++) {
		const char *at =
			(sights[i].places & place) && (whole || sights[i].prompt) ? strstr(line, sights[i].text) : NULL;
		if (!at)
			continue;
		*ret_at = at;
		return &sights[i];
	}
	return NULL;
}
