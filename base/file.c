/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file_io.h"

enum { READ_STEP = 64 << 10 };

void file_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

char *file_format(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text;
	int len = vasprintf(&text, format, args);
	va_end(args);
	return len < 0 ? NULL : text;
}

char *file_join(const char *folder, const char *name)
{
	return file_format("%s/%s", folder, name);
}

char *file_absolute(const char *path)
{
	AUTO(freep) char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
	if (here)
		return file_join(here, path);
	return path[0] == '/' ? strdup(path) : NULL;
}

/* O_NONBLOCK, because opening a FIFO would wait for its writer; it means nothing for a regular file. */
static int open_regular(const char *path, struct stat *ret_stat, struct err **errp)
{
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, ret_stat) < 0) {
		err_set_errno(errp, errno, "%s", path);
		return -1;
	}
	if (!S_ISREG(ret_stat->st_mode)) {
		err_set(errp, ERR_FAILED, "%s: not a regular file", path);
		return -1;
	}
	return STEAL_FD(&fd);
}

/* Reads at most `room` bytes to the end of body. *ret_len is 0 at the end of the file. */
static bool read_step(int fd, const char *path, size_t room, struct bytes *body, size_t *ret_len, struct err **errp)
{
	uint8_t *at = bytes_extend(body, room);
	if (!at)
		return err_set_no_memory(errp);
	ssize_t len = TEMP_FAILURE_RETRY(read(fd, at, room));
	if (len < 0)
		return err_set_errno(errp, errno, "%s", path);
	body->len -= room - (size_t)len;
	*ret_len = (size_t)len;
	return true;
}

bool file_read_all(const char *path, size_t max, struct bytes *ret, struct err **errp)
{
	struct stat st;
	AUTO(file_closep) int fd = open_regular(path, &st, errp);
	if (fd < 0)
		return false;
	AUTO(bytes_release) struct bytes body;
	bytes_init(&body, SIZE_MAX);
	/*
	 * The size is a hint: files in /proc say 0, and others may grow. One byte more shows the end, or too much, so
	 * that what was read is never copied into a larger buffer: who reads a secret wipes the only one.
	 */
	size_t room = (uint64_t)st.st_size < max ? (size_t)st.st_size + 1 : READ_STEP;
	for (size_t len = 1; len > 0; room = body.capacity > body.len ? body.capacity - body.len : READ_STEP) {
		if (!read_step(fd, path, room, &body, &len, errp))
			return false;
		if (body.len > max)
			return err_set(errp, ERR_CORRUPT, "%s: larger than the %zu bytes it may have", path, max);
	}
	body.max = max;
	*ret = body;
	body = (struct bytes){0};
	return true;
}

/* off_t is signed: what does not fit is no place in any file. */
static bool fits_in_file(uint64_t offset, size_t len)
{
	uint64_t end;
	return !__builtin_add_overflow(offset, len, &end) && end <= INT64_MAX;
}

bool file_read_at(int fd, void *data, size_t len, uint64_t offset, const char *name, struct err **errp)
{
	if (!fits_in_file(offset, len))
		return err_set_errno(errp, EOVERFLOW, "%s: read at %" PRIu64, name, offset);
	uint8_t *at = data;
	while (len > 0) {
		ssize_t done = TEMP_FAILURE_RETRY(pread(fd, at, len, (off_t)offset));
		if (done < 0)
			return err_set_errno(errp, errno, "%s: read at %" PRIu64, name, offset);
		if (done == 0)
			return err_set(errp, ERR_CORRUPT, "%s: ends at %" PRIu64 ", %zu bytes too early", name, offset,
				       len);
		at += done;
		len -= (size_t)done;
		offset += (uint64_t)done;
	}
	return true;
}

bool file_write_at(int fd, const void *data, size_t len, uint64_t offset, const char *name, struct err **errp)
{
	if (!fits_in_file(offset, len))
		return err_set_errno(errp, EOVERFLOW, "%s: write at %" PRIu64, name, offset);
	const uint8_t *at = data;
	while (len > 0) {
		ssize_t done = file_io_pwrite(fd, at, len, (off_t)offset);
		if (done <= 0)
			return err_set_errno(errp, done < 0 ? errno : ENOSPC, "%s: write at %" PRIu64, name, offset);
		at += done;
		len -= (size_t)done;
		offset += (uint64_t)done;
	}
	return true;
}

bool file_lock(const char *path, int *ret_fd, struct err **errp)
{
	AUTO(file_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set_errno(errp, errno, "%s", path);
	if (TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)) < 0) {
		if (errno == EWOULDBLOCK)
			return err_set(errp, ERR_BUSY, "%s: locked by another process", path);
		return err_set_errno(errp, errno, "%s: lock", path);
	}
	*ret_fd = STEAL_FD(&fd);
	return true;
}
