/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/image_temporary.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_io.h"

#define MIDDLE ".salvor-"
#define RANDOM "XXXXXX"

static bool is_still_named(int fd, const char *path)
{
	struct stat mine, there;
	return fstat(fd, &mine) == 0 && lstat(path, &there) == 0 && mine.st_ino == there.st_ino &&
	       mine.st_dev == there.st_dev;
}

/* QEMU locks single bytes of what it writes to. */
static bool has_byte_locks(int fd)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(fd, F_OFD_GETLK, &all) < 0 || all.l_type != F_UNLCK;
}

/* A sweep may take a new file for an old one until the lock is held; then another is made. -1 with errno. */
static int make_locked(char *path)
{
	for (;;) {
		memcpy(path + strlen(path) - strlen(RANDOM), RANDOM, sizeof(RANDOM));
		int fd = mkostemp(path, O_CLOEXEC);
		if (fd < 0)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 ? is_still_named(fd, path) : errno != EWOULDBLOCK)
			return fd; /* also where the file system has no locks: then nobody sweeps */
		close(fd);
	}
}

bool image_temporary_make(const char *final, bool force, struct image_temporary *ret, struct err **errp)
{
	AUTO(freep) char *name = strdup(final);
	AUTO(freep) char *path = file_format("%s" MIDDLE RANDOM, final);
	if (!name || !path)
		return err_set_no_memory(errp);
	if (!force && access(final, F_OK) == 0)
		return err_set(errp, ERR_EXISTS, "%s is there already: give --force to replace it", final);
	int fd = make_locked(path);
	if (fd < 0)
		return err_set_errno(errp, errno, "make %s", path);
	*ret = (struct image_temporary){.path = STEAL(&path), .final = STEAL(&name), .fd = fd, .force = force};
	return true;
}

/* Where the file system makes flock() of the locks of bytes, another opening sees ours as such. */
void image_temporary_share(struct image_temporary *temporary)
{
	AUTO(file_closep) int other = open(temporary->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (other < 0 || has_byte_locks(other))
		flock(temporary->fd, LOCK_UN);
}

static bool sync_folder_of(const char *path, struct err **errp)
{
	AUTO(freep) char *copy = strdup(path);
	if (!copy)
		return err_set_no_memory(errp);
	return file_sync_folder(dirname(copy), errp);
}

bool image_temporary_finish(struct image_temporary *temporary, struct err **errp)
{
	if (file_io_fsync(temporary->fd) < 0)
		return err_set_errno(errp, errno, "write %s to the disk", temporary->final);
	int status = temporary->force ? file_io_rename(temporary->path, temporary->final)
				      : file_io_rename_new(temporary->path, temporary->final);
	if (status < 0)
		return err_set_errno(errp, errno, "make %s", temporary->final);
	free(STEAL(&temporary->path));
	return sync_folder_of(temporary->final, errp);
}

void image_temporary_release(struct image_temporary *temporary)
{
	if (temporary->path)
		unlink(temporary->path);
	if (temporary->fd >= 0)
		close(temporary->fd);
	free(temporary->path);
	free(temporary->final);
	*temporary = (struct image_temporary){.fd = -1};
}

/* ---- what others left ---- */

static bool is_temporary_of(const char *entry, const char *name)
{
	size_t len = strlen(name);
	return strncmp(entry, name, len) == 0 && strncmp(entry + len, MIDDLE, strlen(MIDDLE)) == 0 &&
	       strlen(entry) == len + strlen(MIDDLE) + strlen(RANDOM);
}

/* A regular file of our own that nobody writes to. The lock goes with the descriptor, after the file. */
static bool sweep_one(int folder, const char *entry)
{
	struct stat st;
	AUTO(file_closep)
	int fd = openat(folder, entry, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_nlink != 1)
		return false;
	return flock(fd, LOCK_EX | LOCK_NB) == 0 && !has_byte_locks(fd) && unlinkat(folder, entry, 0) == 0;
}

void image_temporary_sweep(const char *final, void (*note)(void *arg, const char *text), void *note_arg)
{
	AUTO(freep) char *for_folder = strdup(final);
	AUTO(freep) char *for_name = strdup(final);
	if (!for_folder || !for_name)
		return;
	const char *folder = dirname(for_folder), *name = basename(for_name);
	DIR *dir = opendir(folder);
	if (!dir)
		return;
	for (struct dirent *entry; (entry = readdir(dir));) {
		if (!is_temporary_of(entry->d_name, name) || !sweep_one(dirfd(dir), entry->d_name))
			continue;
		AUTO(freep)
		char *text = file_format("removed %s/%s, which a killed restore had left", folder, entry->d_name);
		if (note && text)
			note(note_arg, text);
	}
	closedir(dir);
}
