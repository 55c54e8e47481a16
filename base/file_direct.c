/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Past the page cache. A gigabyte that is written once and read by nobody soon costs less that way: nothing is copied,
 * fsync finds nothing left to do, and what other programs have in the cache stays there. So does one that is read for
 * somebody with a cache of his own, as a guest is. See open(2), O_DIRECT.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_io.h"

/* Of memory, offset and length: the largest that disks ask for. */
enum { ALIGNMENT = 4096 };

/* A disk is asked for less than this many bytes at once more cheaply by the page cache, which collects them. */
enum { LEAST = 256 << 10 };

int file_open_direct(int fd)
{
	char same[sizeof("/proc/self/fd/") + 3 * sizeof(fd)];
	snprintf(same, sizeof(same), "/proc/self/fd/%d", fd);
	int flags = fcntl(fd, F_GETFL);
	return flags < 0 ? -1 : open(same, (flags & O_ACCMODE) | O_DIRECT | O_CLOEXEC | O_NOCTTY);
}

/* As much from the start as is aligned. */
static size_t direct_part(const void *data, size_t len, uint64_t offset)
{
	size_t part = len - len % ALIGNMENT;
	return (uintptr_t)data % ALIGNMENT == 0 && offset % ALIGNMENT == 0 && part >= LEAST ? part : 0;
}

/* Returns how much was written; what was not, for whatever reason, the page cache takes, and it says what is wrong. */
static size_t write_direct(int direct, const uint8_t *data, size_t len, uint64_t offset)
{
	size_t done = 0;
	while (done < len) {
		ssize_t step = file_io_pwrite(direct, data + done, len - done, (off_t)(offset + done));
		if (step <= 0 || step % ALIGNMENT != 0)
			return step > 0 ? done + (size_t)step : done;
		done += (size_t)step;
	}
	return done;
}

bool file_write_past_cache(int fd, int direct, const void *data, size_t len, uint64_t offset, const char *name,
			   struct err **errp)
{
	size_t part = direct < 0 ? 0 : direct_part(data, len, offset);
	size_t done = part > 0 ? write_direct(direct, data, part, offset) : 0;
	return file_write_at(fd, (const uint8_t *)data + done, len - done, offset + done, name, errp);
}

/* As one, or not at all: a request of a guest's is rarely worth two calls. */
static bool is_direct(const struct iovec *parts, int n, uint64_t offset)
{
	size_t len = 0;
	bool lies_on_pages = offset % ALIGNMENT == 0;
	for (int i = 0; i < n; i++) {
		lies_on_pages &= (uintptr_t)parts[i].iov_base % ALIGNMENT == 0 && parts[i].iov_len % ALIGNMENT == 0;
		len += parts[i].iov_len;
	}
	return lies_on_pages && len >= LEAST;
}

typedef ssize_t move_function(int fd, const struct iovec *parts, int n, off_t offset);

/* EINVAL is how a disk says that it asks for larger pages. */
static ssize_t move(move_function *call, int fd, int direct, const struct iovec *parts, int n, uint64_t offset)
{
	if (direct >= 0 && is_direct(parts, n, offset)) {
		ssize_t done = call(direct, parts, n, (off_t)offset);
		if (done >= 0 || errno != EINVAL)
			return done;
	}
	return call(fd, parts, n, (off_t)offset);
}

ssize_t file_preadv_past_cache(int fd, int direct, const struct iovec *to, int n, uint64_t offset)
{
	return move(file_io_preadv, fd, direct, to, n, offset);
}

ssize_t file_pwritev_past_cache(int fd, int direct, const struct iovec *from, int n, uint64_t offset)
{
	return move(file_io_pwritev, fd, direct, from, n, offset);
}
