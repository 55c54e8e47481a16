/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

enum { OVERLAYS_TRIES = 10 };

/* The group of QEMU when root uses libvirt, as distributions name it; the driver does not start where there is none. */
static const char *const qemu_groups[] = {"libvirt-qemu", "qemu"};

/* What root has in XDG_RUNTIME_DIR, if anything, is closed to QEMU's user. */
static char *base_folder(void)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	if (geteuid() == 0)
		return file_format("/run/salvor");
	if (runtime && *runtime == '/')
		return file_format("%s/salvor", runtime);
	return file_format("/tmp/salvor-%u", (unsigned)geteuid());
}

/* In /tmp somebody else may have made it: then it is not ours to use. */
static bool make_base(const char *base, struct err **errp)
{
	struct stat there;
	mode_t mode = geteuid() == 0 ? 0711 : 0700;
	if (mkdir(base, mode) < 0 && errno != EEXIST)
		return err_set_errno(errp, errno, "make %s", base);
	if (lstat(base, &there) < 0)
		return err_set_errno(errp, errno, "folder %s", base);
	if (!S_ISDIR(there.st_mode) || there.st_uid != geteuid() || (there.st_mode & 022))
		return err_set(errp, ERR_DENIED, "%s belongs to somebody else: remove it, or set XDG_RUNTIME_DIR",
			       base);
	return true;
}

static void sweep(const char *base)
{
	DIR *folder = opendir(base);
	struct dirent *entry;
	while (folder && (entry = readdir(folder))) {
		AUTO(freep) char *run = strncmp(entry->d_name, "run-", 4) == 0 ? file_join(base, entry->d_name) : NULL;
		AUTO(freep) char *lock = run ? file_join(run, "lock") : NULL;
		AUTO(file_closep) int fd = lock ? open(lock, O_RDWR | O_CLOEXEC) : -1;
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
			run_folder_destroy(run);
	}
	if (folder)
		closedir(folder);
}

/* For root, QEMU's user may pass, and nobody else: sockets in it lead to what is in the backup. */
static bool let_qemu_pass(const char *path, struct err **errp)
{
	const struct group *group = NULL;
	for (size_t i = 0; geteuid() == 0 && !group && i < ARRAY_LENGTH(qemu_groups); i++)
		group = getgrnam(qemu_groups[i]);
	if (!group || (chown(path, 0, group->gr_gid) == 0 && chmod(path, 0710) == 0))
		return true;
	return err_set_errno(errp, errno, "open %s to QEMU's user", path);
}

static bool make_unique(const char *folder, const char *name, char **ret, struct err **errp)
{
	AUTO(freep) char *path = file_format("%s/%s-XXXXXX", folder, name);
	if (!path)
		return err_set_no_memory(errp);
	if (!mkdtemp(path))
		return err_set_errno(errp, errno, "make a folder in %s", folder);
	if (!let_qemu_pass(path, errp))
		return false;
	*ret = STEAL(&path);
	return true;
}

static bool link_into(const char *target, const char *folder, const char *name, struct err **errp)
{
	AUTO(freep) char *path = file_join(folder, name);
	if (!path)
		return err_set_no_memory(errp);
	return symlink(target, path) == 0 || err_set_errno(errp, errno, "make %s", path);
}

static bool write_settings(const char *root, struct err **errp)
{
	static const char settings[] = "security_driver = \"none\"\nremember_owner = 0\nnamespaces = []\n"
				       "cgroup_controllers = []\nstdio_handler = \"file\"\n";
	AUTO(freep) char *folder = file_join(root, "etc");
	AUTO(freep) char *path = file_join(root, "etc/qemu.conf");
	if (!folder || !path)
		return err_set_no_memory(errp);
	return file_make_folders(folder, 0711, errp) && file_replace(path, SPAN_TEXT(settings), 0644, errp);
}

static bool make_root(const char *run, const char *cache_dir, struct err **errp)
{
	AUTO(freep) char *root = file_join(run, "libvirt");
	AUTO(freep) char *cache = file_join(cache_dir, "libvirt");
	if (!root || !cache)
		return err_set_no_memory(errp);
	return file_make_folders(cache, 0711, errp) && file_make_folders(root, 0711, errp) &&
	       write_settings(root, errp) && link_into(cache, root, "cache", errp);
}

static bool make_private(const char *base, struct run_folder *folder, struct err **errp)
{
	if (!make_unique(base, "run", &folder->path, errp))
		return false;
	AUTO(freep) char *lock = file_join(folder->path, "lock");
	return lock ? file_lock(lock, &folder->lock, errp) : err_set_no_memory(errp);
}

bool run_folder_make(const char *cache_dir, struct run_folder *ret, struct err **errp)
{
	AUTO(freep) char *base = base_folder();
	struct run_folder folder = {.lock = -1};
	if (!base)
		return err_set_no_memory(errp);
	if (!make_base(base, errp))
		return false;
	sweep(base);
	if (make_private(base, &folder, errp) && make_root(folder.path, cache_dir, errp)) {
		*ret = folder;
		return true;
	}
	if (folder.path)
		run_folder_destroy(folder.path);
	run_folder_release(&folder);
	return false;
}

void run_folder_release(struct run_folder *folder)
{
	free(folder->path);
	file_closep(&folder->lock);
	*folder = (struct run_folder){.lock = -1};
}

/* ---- one machine ---- */

static bool make_machine_folder(const char *path, struct err **errp)
{
	if (mkdir(path, 0700) < 0)
		return err_set_errno(errp, errno, "make %s", path);
	return let_qemu_pass(path, errp);
}

/* Waits for a sweep that holds the lock; one that was faster has removed the folder. */
static bool lock_overlays(const char *path, int *ret, bool *ret_swept, struct err **errp)
{
	struct stat there;
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*ret_swept = fd < 0 && errno == ENOENT;
	if (fd < 0 || TEMP_FAILURE_RETRY(flock(fd, LOCK_EX)) < 0 || fstat(fd, &there) < 0)
		return err_set_errno(errp, errno, "lock %s", path);
	*ret_swept = there.st_nlink == 0;
	if (*ret_swept)
		return err_set(errp, ERR_FAILED, "%s was removed by somebody else", path);
	*ret = fd;
	fd = -1;
	return true;
}

static bool make_overlays(struct machine_folder *folder, const char *overlay_dir, struct err **errp)
{
	bool swept = true, ok = false;
	overlays_sweep(overlay_dir);
	for (int i = 0; !ok && swept && i < OVERLAYS_TRIES; i++) {
		free(STEAL(&folder->overlays));
		err_clear(errp);
		if (!make_unique(overlay_dir, OVERLAYS_NAME, &folder->overlays, errp))
			return false;
		ok = lock_overlays(folder->overlays, &folder->lock, &swept, errp);
	}
	return ok;
}

bool machine_folder_make(const struct run_folder *folder, unsigned number, const char *overlay_dir,
			 struct machine_folder *ret, struct err **errp)
{
	struct machine_folder made = {.path = file_format("%s/m%u", folder->path, number), .lock = -1};
	if (!made.path)
		return err_set_no_memory(errp);
	if (make_machine_folder(made.path, errp) && make_overlays(&made, overlay_dir, errp) &&
	    link_into(made.overlays, made.path, "overlays", errp)) {
		*ret = made;
		return true;
	}
	if (made.overlays)
		rmdir(made.overlays);
	rmdir(made.path);
	machine_folder_release(&made);
	return false;
}

void machine_folder_release(struct machine_folder *folder)
{
	free(folder->path);
	free(folder->overlays);
	file_closep(&folder->lock);
	*folder = (struct machine_folder){.lock = -1};
}
