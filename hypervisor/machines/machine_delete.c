/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/progress.h"
#include "hypervisor/machines/machines.h"
#include "hypervisor/machines/machines_internal.h"
#include "hypervisor/thin/overlay_file.h"

/* ---- what is nowhere else ---- */

/* As machines.h has them; tmp-XXXXXX and the new vm.conf are of what was cut short. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = {"vm.conf", "vm.conf.new", "point", "repository", "uid",
					   "lock",    "keeper",	     "pid",   "serial.log", "log"};
	for (size_t i = 0; i < ARRAY_LENGTH(ours); i++)
		if (strcmp(name, ours[i]) == 0)
			return true;
	return strncmp(name, "tmp-", 4) == 0 && strlen(name) == strlen("tmp-XXXXXX");
}

/* Of any name, as vm.conf may say. One that was never finished is known by the name that create gives. */
static bool is_overlay(const char *path)
{
	static const char suffix[] = ".overlay";
	size_t len = strlen(path), end = sizeof(suffix) - 1;
	return overlay_file_is_one(path) || (len > end && strcmp(path + len - end, suffix) == 0);
}

static bool add_overlay(const struct thin_machine *machine, const char *path, uint64_t *sum, struct err **errp)
{
	AUTO(err_freep) struct err *err = NULL;
	uint64_t bytes;
	if (!overlay_file_measure(path, &bytes, &err))
		return err_set(errp, ERR_FAILED,
			       "machine '%s': what its guest wrote cannot be read: %s; 'salvor vm delete --force %s' "
			       "removes it, too",
			       machine->name, err_message(err), machine->name);
	*sum += bytes;
	return true;
}

/* Adds what its guest wrote to it; any other file must be ours. */
static bool look_at_file(const struct thin_machine *machine, const char *name, uint64_t *sum, struct err **errp)
{
	struct stat st;
	AUTO(freep) char *path = thin_machine_file(machine, name);
	if (!path)
		return err_set_no_memory(errp);
	if (lstat(path, &st) != 0)
		return err_set_errno(errp, errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return true;
	if (is_overlay(path))
		return add_overlay(machine, path, sum, errp);
	return is_ours(name) ||
	       err_set(errp, ERR_EXISTS,
		       "machine '%s' has a file %s that salvor did not make: move it elsewhere, or 'salvor vm delete "
		       "--force %s' removes it, too",
		       machine->name, path, machine->name);
}

/* What a guest wrote over a point is in no image and in no repository. */
static bool refuse_loss(const struct thin_machine *machine, struct err **errp)
{
	char size[PROGRESS_SIZE_TEXT];
	uint64_t bytes = 0;
	AUTO(thin_folder_closep) DIR *folder = thin_folder_entries(AT_FDCWD, machine->folder, errp);
	if (!folder)
		return false;
	for (const struct dirent *entry; (entry = readdir(folder));)
		if (!look_at_file(machine, entry->d_name, &bytes, errp))
			return false;
	return bytes == 0 ||
	       err_set(errp, ERR_EXISTS,
		       "machine '%s' has %s that its guest wrote and that are nowhere else: 'salvor vm delete --force "
		       "%s' removes them, too",
		       machine->name, progress_size_text(bytes, size), machine->name);
}

/* ---- delete ---- */

/* What is in the folder and is none itself: a link goes, and what it leads to stays. */
static bool remove_entries(int parent, const char *path, struct err **errp)
{
	AUTO(thin_folder_closep) DIR *folder = thin_folder_entries(parent, path, errp);
	if (!folder)
		return false;
	for (const struct dirent *entry; (entry = readdir(folder));) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(folder), entry->d_name, 0) != 0 && errno != EISDIR)
			return err_set_errno(errp, errno, "%s/%s", path, entry->d_name);
	}
	return true;
}

/* vm.conf is gone already. */
static bool remove_rest(const struct thin_machine *machine, int folder, struct err **errp)
{
	struct stat st;
	if (fstatat(folder, "nbd", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	    (!remove_entries(folder, "nbd", errp) || unlinkat(folder, "nbd", AT_REMOVEDIR) != 0))
		return *errp ? err_prefix(errp, "%s", machine->folder)
			     : err_set_errno(errp, errno, "%s/nbd", machine->folder);
	if (!remove_entries(AT_FDCWD, machine->folder, errp))
		return false;
	return rmdir(machine->folder) == 0 || err_set_errno(errp, errno, "%s", machine->folder);
}

bool thin_machine_delete(const struct thin_machine *machine, bool all, struct err **errp)
{
	AUTO(file_closep) int folder = thin_folder_open(machine->folder, errp);
	AUTO(file_closep) int lock = folder >= 0 ? thin_machine_lock(machine, errp) : -1;
	if (lock < 0 || (!all && !refuse_loss(machine, errp)))
		return false;
	if (unlinkat(folder, "vm.conf", 0) != 0 && errno != ENOENT)
		return err_set_errno(errp, errno, "%s/vm.conf", machine->folder);
	return remove_rest(machine, folder, errp);
}
