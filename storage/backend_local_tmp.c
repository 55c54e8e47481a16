/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmp/ holds a folder for each process that writes, tmp/<random>, with its lock tmp/<random>.lock:
 *
 *   lock made and taken ──► folder made ──► … ──► folder removed ──► lock removed
 *
 * A process that died has left what was its, and nobody holds the lock: the next writer sweeps it. A file system may
 * not tell one machine of the locks of another, so a folder in which something happened within the last hour is left
 * alone. Should a living writer ever lose a temporary file, its put fails; nothing that is in the repository depends on
 * it.
 *
 * Whoever may write here is not trusted with more than the repository: a sweep never follows a link.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "storage/backend_local_internal.h"
#include "storage/crypto.h"

enum { RANDOM_SIZE = 8, STALE_SECONDS = 3600 };

#define LOCK_SUFFIX ".lock"

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* As opendir(), but not through a link. */
static DIR *open_folder(const char *path)
{
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir)
		fd = -1;
	return dir;
}

/* Removes a folder of temporary files. What cannot be removed stays for the next sweep. */
static void remove_folder(const char *path)
{
	AUTO(closedirp) DIR *dir = open_folder(path);
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	rmdir(path);
}

static bool is_there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

static bool is_stale(const char *path, mode_t type)
{
	struct stat st;
	return lstat(path, &st) == 0 && (st.st_mode & S_IFMT) == type && st.st_mtime + STALE_SECONDS < time(NULL);
}

/* lock_path is "…/<random>.lock"; its folder is the same without the end. */
static void sweep_one(const char *lock_path)
{
	AUTO(file_closep) int fd = -1;
	AUTO(err_freep) struct err *held = NULL;
	AUTO(freep) char *folder = strndup(lock_path, strlen(lock_path) - strlen(LOCK_SUFFIX));
	if (!folder || !is_stale(lock_path, S_IFREG) || (is_there(folder) && !is_stale(folder, S_IFDIR)))
		return;
	if (!file_lock(lock_path, &fd, &held))
		return;
	remove_folder(folder);
	if (!is_there(folder))
		unlink(lock_path);
}

static bool is_lock(const char *name)
{
	size_t len = strlen(name), suffix = strlen(LOCK_SUFFIX);
	return len > suffix && strcmp(name + len - suffix, LOCK_SUFFIX) == 0;
}

static void sweep(const char *tmp)
{
	AUTO(closedirp) DIR *dir = open_folder(tmp);
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		AUTO(freep) char *path = is_lock(entry->d_name) ? file_join(tmp, entry->d_name) : NULL;
		if (path)
			sweep_one(path);
	}
}

static char *lock_path_of(const char *folder)
{
	return file_format("%s" LOCK_SUFFIX, folder);
}

bool local_tmp_make(struct local *local, struct err **errp)
{
	uint8_t random[RANDOM_SIZE];
	char text[2 * RANDOM_SIZE + 1];
	AUTO(freep) char *tmp = local_path(local, "tmp", errp);
	if (!tmp || !local_make_folder(tmp, local->folder_mode, errp) || !crypto_random(random, sizeof(random), errp))
		return false;
	sweep(tmp);
	AUTO(freep) char *folder = file_join(tmp, hex_encode(random, sizeof(random), text));
	AUTO(freep) char *lock = folder ? lock_path_of(folder) : NULL;
	if (!lock)
		return err_set_no_memory(errp);
	AUTO(file_closep) int fd = -1;
	if (!file_lock(lock, &fd, errp))
		return false;
	if (!local_make_folder(folder, 0700, errp)) {
		unlink(lock);
		return false;
	}
	local->tmp = STEAL(&folder);
	local->tmp_lock = fd;
	fd = -1;
	return true;
}

void local_tmp_remove(struct local *local)
{
	if (!local->tmp)
		return;
	AUTO(freep) char *lock = lock_path_of(local->tmp);
	remove_folder(local->tmp);
	if (lock)
		unlink(lock);
	file_closep(&local->tmp_lock);
	free(STEAL(&local->tmp));
}
