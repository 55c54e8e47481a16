/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_io.h"

bool file_sync_folder(const char *path, struct err **errp)
{
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || file_io_fsync(fd) < 0)
		return err_set_errno(errp, errno, "%s: sync", path);
	return true;
}

/* The folder that a path's last name is in. The path may be changed: this cuts it for the time of the call. */
static bool sync_parent(char *path, struct err **errp)
{
	char *slash = strrchr(path, '/');
	if (!slash)
		return file_sync_folder(".", errp);
	if (slash == path)
		return file_sync_folder("/", errp);
	*slash = '\0';
	bool synced = file_sync_folder(path, errp);
	*slash = '/';
	return synced;
}

static bool is_folder(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool make_folder(char *path, mode_t mode, struct err **errp)
{
	if (file_io_mkdir(path, mode) == 0)
		return sync_parent(path, errp);
	int failure = errno;
	/* Also on EROFS or EACCES: only a folder that is missing needs a parent that can be written. */
	return is_folder(path) || err_set_errno(errp, failure == EEXIST ? ENOTDIR : failure, "%s: make folder", path);
}

bool file_make_folders(const char *path, mode_t mode, struct err **errp)
{
	AUTO(freep) char *copy = strdup(path);
	if (!copy)
		return err_set_no_memory(errp);
	size_t len = strlen(copy);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	for (char *slash = strchr(copy + strspn(copy, "/"), '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		bool made = make_folder(copy, mode, errp);
		*slash = '/';
		if (!made)
			return false;
		slash += strspn(slash, "/") - 1;
	}
	return make_folder(copy, mode, errp);
}
