/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing past the page cache. A gigabyte that is written once and read by nobody soon costs less that way: nothing is
 * copied, fsync finds nothing left to do, and what other programs have in the cache stays there. See open(2), O_DIRECT.
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
