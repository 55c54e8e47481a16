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

/* ---- what its guest wrote ---- */

static bool is_overlay(int folder, const char *name)
{
	static const char suffix[] = ".overlay";
	size_t len = strlen(name), end = sizeof(suffix) - 1;
	struct stat st;
	return len > end && strcmp(name + len - end, suffix) == 0 &&
	       fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

static bool add_overlay(const struct thin_machine *machine, const char *name, uint64_t *sum, struct err **errp)
{
	uint64_t bytes;
	AUTO(freep) char *path = thin_machine_file(machine, name);
	if (!path)
		return err_set_no_memory(errp);
	if (!overlay_file_measure(path, &bytes, errp))
		return false;
	*sum += bytes;
	return true;
}

static bool measure(const struct thin_machine *machine, uint64_t *ret, struct err **errp)
{
	AUTO(thin_folder_closep) DIR *folder = thin_folder_entries(AT_FDCWD, machine->folder, errp);
	if (!folder)
		return false;
	*ret = 0;
	for (const struct dirent *entry; (entry = readdir(folder));)
		if (is_overlay(dirfd(folder), entry->d_name) && !add_overlay(machine, entry->d_name, ret, errp))
			return false;
	return true;
}

/* What a guest wrote over a point is in no image and in no repository. */
static bool refuse_written(const struct thin_machine *machine, struct err **errp)
{
	AUTO(err_freep) struct err *err = NULL;
	char size[PROGRESS_SIZE_TEXT];
	uint64_t bytes;
	if (!measure(machine, &bytes, &err))
		return err_set(errp, ERR_FAILED,
			       "machine '%s': what its guest wrote cannot be read: %s; 'salvor vm delete --force %s' "
			       "removes it, too",
			       machine->name, err_message(err), machine->name);
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

bool thin_machine_delete(const struct thin_machine *machine, bool written_too, struct err **errp)
{
	AUTO(file_closep) int folder = thin_folder_open(machine->folder, errp);
	AUTO(file_closep) int lock = folder >= 0 ? thin_machine_lock(machine, errp) : -1;
	if (lock < 0 || (!written_too && !refuse_written(machine, errp)))
		return false;
	if (unlinkat(folder, "vm.conf", 0) != 0 && errno != ENOENT)
		return err_set_errno(errp, errno, "%s/vm.conf", machine->folder);
	return remove_rest(machine, folder, errp);
}
