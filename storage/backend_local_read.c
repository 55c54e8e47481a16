/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/backend_local_internal.h"

bool local_err(struct err **errp, int failure, const char *path)
{
	if (failure == ELOOP || failure == ENOTDIR || failure == EISDIR)
		return err_set(errp, ERR_CORRUPT, "%s: where an object should be, there is something else", path);
	return err_set_errno(errp, failure, "%s", path);
}

/* Never follows a link, and never waits for a pipe that somebody put there. */
static bool open_object(const char *path, int *ret_fd, uint64_t *ret_size, struct err **errp)
{
	struct stat st;
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) < 0)
		return local_err(errp, errno, path);
	if (!S_ISREG(st.st_mode))
		return local_err(errp, EISDIR, path);
	*ret_size = (uint64_t)st.st_size;
	*ret_fd = fd;
	fd = -1;
	return true;
}

bool local_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
		     struct err **errp)
{
	uint64_t size;
	AUTO(file_closep) int fd = -1;
	AUTO(freep) char *path = local_path(local_of(backend), name, errp);
	if (!path || !open_object(path, &fd, &size, errp))
		return false;
	if (offset > size || len > size - offset)
		return backend_err_short(errp, path, size, offset, len);
	return file_read_at(fd, data, len, offset, path, errp);
}

bool local_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
		    uint64_t *ret_size, struct err **errp)
{
	uint64_t size;
	AUTO(file_closep) int fd = -1;
	AUTO(freep) char *path = local_path(local_of(backend), name, errp);
	if (!path || !open_object(path, &fd, &size, errp))
		return false;
	size_t len = size < max ? (size_t)size : max;
	if (!file_read_at(fd, data, len, size - len, path, errp))
		return false;
	*ret_len = len;
	*ret_size = size;
	return true;
}

bool local_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp)
{
	struct stat st;
	AUTO(freep) char *path = local_path(local_of(backend), name, errp);
	if (!path)
		return false;
	if (lstat(path, &st) < 0)
		return local_err(errp, errno, path);
	if (!S_ISREG(st.st_mode))
		return local_err(errp, EISDIR, path);
	*ret = (uint64_t)st.st_size;
	return true;
}
