/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/disk_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"

/* Of memory, offset and length: the largest that disks ask for. */
enum { ALIGNMENT = 4096 };

/* A disk is asked for less than this many bytes at once more cheaply by the page cache. */
enum { LEAST = 256 << 10 };

/* A guest may change memory that is being written. Past the cache btrfs then has a checksum of other bytes than it
 * wrote, and cannot read them again (until Linux 6.15, which goes through the cache itself). */
static bool checks_what_it_wrote(int fd)
{
	struct statfs file_system;
	return fstatfs(fd, &file_system) == 0 && file_system.f_type == BTRFS_SUPER_MAGIC;
}

void disk_file_init(struct disk_file *file, int fd)
{
	*file = (struct disk_file){.fd = fd, .direct = checks_what_it_wrote(fd) ? -1 : file_open_direct(fd)};
}

void disk_file_release(struct disk_file *file)
{
	file_closep(&file->direct);
	file_closep(&file->fd);
}

size_t disk_file_descriptors(const struct disk_file *file, int ret[DISK_FILE_DESCRIPTORS])
{
	ret[0] = file->fd;
	ret[1] = file->direct;
	return file->direct < 0 ? 1 : 2;
}

/* As one, or not at all: a request is rarely worth two calls. Returns its length, 0 where it is not to pass by. */
static size_t direct_length(const struct iovec *parts, int n, uint64_t offset)
{
	size_t length = 0;
	bool lies_on_pages = offset % ALIGNMENT == 0;
	for (int i = 0; i < n; i++) {
		lies_on_pages &= (uintptr_t)parts[i].iov_base % ALIGNMENT == 0 && parts[i].iov_len % ALIGNMENT == 0;
		length += parts[i].iov_len;
	}
	return lies_on_pages && length >= LEAST ? length : 0;
}

/* Waits for what is being written of the range, and is told of all of the file that was not, once. */
static bool is_lost(struct disk_file *file, uint64_t offset, size_t length)
{
	if (TEMP_FAILURE_RETRY(sync_file_range(file->fd, (off_t)offset, (off_t)length, SYNC_FILE_RANGE_WAIT_BEFORE)) !=
	    0)
		file->lost = true;
	return file->lost;
}

typedef ssize_t move_function(int fd, const struct iovec *parts, int n, off_t offset);

/* False where the request is to go through the cache: it is no such request, or the file offers no such way, which it
 * says by EINVAL, or it is lost. What brings the cache's changes out before is also told of those that fail. */
static bool pass_by(struct disk_file *file, move_function *move, const struct iovec *parts, int n, uint64_t offset,
		    ssize_t *ret)
{
	size_t length = file->direct < 0 || file->lost ? 0 : direct_length(parts, n, offset);
	if (length == 0 || is_lost(file, offset, length))
		return false;
	*ret = TEMP_FAILURE_RETRY(move(file->direct, parts, n, (off_t)offset));
	if (*ret >= 0)
		return true;
	int errnum = errno;
	if (errnum == EINVAL)
		file_closep(&file->direct);
	bool passed = errnum != EINVAL && !is_lost(file, offset, length);
	errno = errnum;
	return passed;
}

ssize_t disk_file_read(struct disk_file *file, const struct iovec *to, int n, uint64_t offset)
{
	ssize_t done;
	if (pass_by(file, preadv, to, n, offset, &done))
		return done;
	return TEMP_FAILURE_RETRY(preadv(file->fd, to, n, (off_t)offset));
}

ssize_t disk_file_write(struct disk_file *file, const struct iovec *from, int n, uint64_t offset)
{
	ssize_t done;
	if (pass_by(file, pwritev, from, n, offset, &done))
		return done;
	if (!file->lost)
		return TEMP_FAILURE_RETRY(pwritev(file->fd, from, n, (off_t)offset));
	errno = EIO;
	return -1;
}

int disk_file_sync(struct disk_file *file)
{
	int result = (int)TEMP_FAILURE_RETRY(fdatasync(file->fd));
	file->lost |= result != 0;
	return result;
}
