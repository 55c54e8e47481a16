/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a file comes to be, and what a crash leaves behind at each step:
 *   1. temporary file made and written    a temporary file, that its owner sweeps
 *   2. its bytes fsynced                  the same
 *   3. its name made, by link or rename   the whole file, or a temporary file
 *   4. the folder fsynced                 the whole file
 * A failure, other than a crash, removes the temporary file. After a failure in step 4 the file is there, but need not
 * survive a power cut; doing the whole again finds the same bytes, takes them for ours, and fsyncs again.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_io.h"

/* Removes the temporary file when its name leaves the scope. NULL once it has become something else. */
static void unlink_freep(char **path)
{
	if (*path)
		unlink(*path);
	free(*path);
	*path = NULL;
}

/* What will not be read soon need not push out of the page cache what is. */
enum { LARGE = 1 << 20 };

static bool fill(int fd, struct span body, mode_t mode, const char *path, struct err **errp)
{
	AUTO(file_closep) int direct = body.len >= LARGE ? file_open_direct(fd) : -1;
	if (fchmod(fd, mode) < 0)
		return err_set_errno(errp, errno, "%s: set mode", path);
	if (!file_write_past_cache(fd, direct, body.data, body.len, 0, path, errp))
		return false;
	return file_io_fsync(fd) == 0 || err_set_errno(errp, errno, "%s: sync", path);
}

/* Steps 1 and 2: the name of a new file with that body, or NULL. `path` is what it is to become, for messages. */
static char *write_temporary(const char *folder, struct span body, mode_t mode, const char *path, struct err **errp)
{
	AUTO(freep) char *pattern = file_join(folder, "tmp-XXXXXX");
	if (!pattern) {
		err_set_no_memory(errp);
		return NULL;
	}
	AUTO(file_closep) int fd = mkostemp(pattern, O_CLOEXEC);
	if (fd < 0) {
		err_set_errno(errp, errno, "%s: make temporary file in %s", path, folder);
		return NULL;
	}
	AUTO(unlink_freep) char *temporary = STEAL(&pattern);
	return fill(fd, body, mode, path, errp) ? STEAL(&temporary) : NULL;
}

/* What file systems without hard links say, FAT and some network ones among them. */
static bool is_without_links(int failure)
{
	return failure == EPERM || failure == EOPNOTSUPP || failure == ENOSYS || failure == EMLINK;
}

/* Step 3 of create-once. After success *temporary names the file too, or nothing. */
static int publish(const char *temporary, const char *path)
{
	if (file_io_link(temporary, path) == 0)
		return 0;
	return is_without_links(errno) ? file_io_rename_new(temporary, path) : -1;
}

/* EEXIST can be our own link, made by a network file system that lost its answer; or the same bytes, of an earlier try.
 */
static bool is_ours(const char *temporary, const char *path, struct span body, struct err **errp)
{
	struct stat mine, found;
	if (stat(temporary, &mine) == 0 && stat(path, &found) == 0 && mine.st_dev == found.st_dev &&
	    mine.st_ino == found.st_ino)
		return true;
	AUTO(err_freep) struct err *unread = NULL;
	AUTO(bytes_release) struct bytes other = {0};
	if (!file_read_all(path, body.len, &other, &unread) && err_code(unread) != ERR_CORRUPT)
		return err_move(errp, &unread);
	if (unread || other.len != body.len || (body.len > 0 && memcmp(other.data, body.data, body.len) != 0))
		return err_set(errp, ERR_EXISTS, "%s: exists already, with other contents", path);
	return true;
}

bool file_create_once(const char *folder, const char *name, const char *tmp_folder, struct span body, mode_t mode,
		      struct err **errp)
{
	AUTO(freep) char *path = file_join(folder, name);
	if (!path)
		return err_set_no_memory(errp);
	AUTO(unlink_freep) char *temporary = write_temporary(tmp_folder, body, mode, path, errp);
	if (!temporary)
		return false;
	if (publish(temporary, path) < 0) {
		if (errno != EEXIST)
			return err_set_errno(errp, errno, "%s: create", path);
		if (!is_ours(temporary, path, body, errp))
			return false;
	}
	return file_sync_folder(folder, errp);
}

bool file_replace(const char *path, struct span body, mode_t mode, struct err **errp)
{
	AUTO(freep) char *copy = strdup(path);
	if (!copy)
		return err_set_no_memory(errp);
	const char *folder = dirname(copy);
	AUTO(unlink_freep) char *temporary = write_temporary(folder, body, mode, path, errp);
	if (!temporary)
		return false;
	if (file_io_rename(temporary, path) < 0)
		return err_set_errno(errp, errno, "%s: replace", path);
	free(STEAL(&temporary));
	return file_sync_folder(folder, errp);
}
