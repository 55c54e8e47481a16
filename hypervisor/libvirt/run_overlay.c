/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/run_overlay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/program.h"

#define ROOM_LEAST (64u << 20)

/* The disk below is not opened here (-u): QEMU is the first to need it. */
static bool make_overlay(const struct run_disk *disk, const char *path, struct err **errp)
{
	AUTO(freep) char *below = file_format("nbd+unix:///%s?socket=%s", disk->name, disk->nbd_socket);
	AUTO(freep) char *size = file_format("%" PRIu64, disk->size);
	if (!below || !size)
		return err_set_no_memory(errp);
	const char *command[] = {"qemu-img", "create", "-q",  "-u", "-f", "qcow2", "-F",
				 "raw",	     "-b",     below, path, size, NULL};
	return program_run(command, errp) || err_prefix(errp, "the overlay of disk %s", disk->name);
}

/* QEMU would start with less, and the guest stand still at once. */
static bool check_room(const char *folder, const char *overlay_dir, struct err **errp)
{
	struct statvfs there;
	if (statvfs(folder, &there) < 0)
		return err_set_errno(errp, errno, "room in %s", overlay_dir);
	uint64_t room = (uint64_t)there.f_bavail * there.f_frsize;
	return room >= ROOM_LEAST ||
	       err_set(errp, ERR_NO_SPACE,
		       "%s has room for %" PRIu64 " MiB, and what the guest writes wants some %u: "
		       "set TMPDIR to a folder with more",
		       overlay_dir, room >> 20, ROOM_LEAST >> 20);
}

bool run_overlays_make(const struct run_request *request, const char *folder, struct fit_disk *ret, struct err **errp)
{
	if (!program_require("qemu-img", "booting", errp) || !check_room(folder, request->overlay_dir, errp))
		return false;
	for (size_t i = 0; i < request->n_disks; i++) {
		char *path = file_format("%s/%s.qcow2", folder, request->disks[i].name);
		ret[i] = (struct fit_disk){
			.name = request->disks[i].name, .overlay = path, .nbd_socket = request->disks[i].nbd_socket};
		if (!path)
			return err_set_no_memory(errp);
		if (!make_overlay(&request->disks[i], path, errp))
			return false;
	}
	return true;
}

void run_overlays_release(struct fit_disk *disks, size_t n)
{
	for (size_t i = 0; disks && i < n; i++)
		free((char *)(uintptr_t)disks[i].overlay);
	free(disks);
}
