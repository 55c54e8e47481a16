/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A raw image or a block device. A flush brings what was written onto the medium: so a killed process loses nothing
 * that it was told to write, and a power cut nothing that was flushed. Once it was lost (disk_file.h), nothing is
 * written.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/disk.h"
#include "hypervisor/thin/disk_file.h"
#include "hypervisor/thin/disk_lock.h"

struct disk_raw {
	struct disk disk;
	char *path;
	struct disk_file file;
	bool device;
	bool has_no_holes, has_no_zeros; /* the file system or device said so: not asked again */
};

/* fallocate() and ioctl() say in these ways that it cannot be done here; a device, also, that the range is not on its
 * own sectors. */
static bool is_unsupported(int errnum)
{
	return errnum == EOPNOTSUPP || errnum == ENOSYS || errnum == ENOTTY || errnum == EINVAL;
}

static struct disk_raw *raw_of(struct disk *disk)
{
	return (struct disk_raw *)disk;
}

static bool fail(const struct disk_raw *raw, int errnum, const char *verb, uint64_t offset, struct err **errp)
{
	if (errnum == ENODEV || errnum == ENXIO || errnum == ESTALE)
		return err_set(errp, ERR_GONE, "%s %s at %" PRIu64 ": %s", verb, raw->path, offset, strerror(errnum));
	return err_set_errno(errp, errnum, "%s %s at %" PRIu64, verb, raw->path, offset);
}

static bool refuse_after_loss(const struct disk_raw *raw, struct err **errp)
{
	return err_set(errp, ERR_FAILED,
		       "%s: writing to it failed before, so nothing more is written until it is opened anew",
		       raw->path);
}

/* ---- Moving bytes */

typedef ssize_t move_function(struct disk_file *file, const struct iovec *iov, int n, uint64_t offset);

/* What is left of vectors of which the first bytes are done. The first of them is copied into *head, for the caller's
 * are const. */
struct rest {
	struct iovec head;
	const struct iovec *iov;
	int n;
};

static void skip_empty(struct rest *rest)
{
	while (rest->n > 0 && rest->head.iov_len == 0)
		if (--rest->n > 0)
			rest->head = *++rest->iov;
}

static void advance(struct rest *rest, size_t done)
{
	while (done > 0) {
		size_t part = done < rest->head.iov_len ? done : rest->head.iov_len;
		rest->head.iov_base = (uint8_t *)rest->head.iov_base + part;
		rest->head.iov_len -= part;
		done -= part;
		skip_empty(rest);
	}
}

/* As a rule one call moves all; one that moved less than the whole goes on vector by vector. */
static bool move_all(struct disk_raw *raw, uint64_t offset, const struct iovec *iov, int n, move_function *move,
		     const char *verb, struct err **errp)
{
	if (n == 0)
		return true;
	struct rest rest = {.head = iov[0], .iov = iov, .n = n};
	bool whole = true;
	while (rest.n > 0) {
		ssize_t done = whole ? move(&raw->file, iov, n, offset) : move(&raw->file, &rest.head, 1, offset);
		if (done < 0)
			return fail(raw, errno, verb, offset, errp);
		if (done == 0)
			return err_set(errp, ERR_FAILED, "%s %s at %" PRIu64 ": it has become shorter", verb, raw->path,
				       offset);
		whole = false;
		offset += (uint64_t)done;
		advance(&rest, (size_t)done);
	}
	return true;
}

static bool raw_read(struct disk *disk, uint64_t offset, const struct iovec *to, int n, struct err **errp)
{
	return move_all(raw_of(disk), offset, to, n, disk_file_read, "read", errp);
}

static bool raw_write(struct disk *disk, uint64_t offset, const struct iovec *from, int n, struct err **errp)
{
	struct disk_raw *raw = raw_of(disk);
	return raw->file.lost ? refuse_after_loss(raw, errp)
			      : move_all(raw, offset, from, n, disk_file_write, "write", errp);
}

static bool raw_flush(struct disk *disk, struct err **errp)
{
	struct disk_raw *raw = raw_of(disk);
	if (raw->file.lost)
		return refuse_after_loss(raw, errp);
	return disk_file_sync(&raw->file) == 0 || err_set(errp, ERR_FAILED, "flush %s: %s", raw->path, strerror(errno));
}

/* ---- Discarding and zeroing */

/* True where it was done, or cannot be done here: *unsupported says which. */
static bool allocate(struct disk_raw *raw, int mode, uint64_t offset, uint64_t length, bool *unsupported,
		     struct err **errp)
{
	if (*unsupported)
		return true;
	if (TEMP_FAILURE_RETRY(fallocate(raw->file.fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length)) == 0)
		return true;
	*unsupported = is_unsupported(errno);
	return *unsupported || fail(raw, errno, "give up room of", offset, errp);
}

/* A device's ioctl asks for less than a hole: what was discarded need not read as zeros. */
static bool raw_discard(struct disk *disk, uint64_t offset, uint64_t length, struct err **errp)
{
	struct disk_raw *raw = raw_of(disk);
	uint64_t range[2] = {offset, length};
	if (raw->file.lost)
		return refuse_after_loss(raw, errp);
	if (!raw->device)
		return allocate(raw, FALLOC_FL_PUNCH_HOLE, offset, length, &raw->has_no_holes, errp);
	return TEMP_FAILURE_RETRY(ioctl(raw->file.fd, BLKDISCARD, range)) == 0 || is_unsupported(errno) ||
	       fail(raw, errno, "discard", offset, errp);
}

static bool write_zeros(struct disk_raw *raw, uint64_t offset, uint64_t length, struct err **errp)
{
	static uint8_t zeros[64 << 10];
	while (length > 0) {
		struct iovec piece = {zeros, length < sizeof(zeros) ? length : sizeof(zeros)};
		if (!move_all(raw, offset, &piece, 1, disk_file_write, "write", errp))
			return false;
		offset += piece.iov_len;
		length -= piece.iov_len;
	}
	return true;
}

static bool raw_zero(struct disk *disk, uint64_t offset, uint64_t length, bool unmap, struct err **errp)
{
	struct disk_raw *raw = raw_of(disk);
	if (raw->file.lost)
		return refuse_after_loss(raw, errp);
	if (unmap && !raw->has_no_holes) {
		if (!allocate(raw, FALLOC_FL_PUNCH_HOLE, offset, length, &raw->has_no_holes, errp))
			return false;
		if (!raw->has_no_holes)
			return true;
	}
	if (!allocate(raw, FALLOC_FL_ZERO_RANGE, offset, length, &raw->has_no_zeros, errp))
		return false;
	return !raw->has_no_zeros || write_zeros(raw, offset, length, errp);
}

/* ---- Life */

static size_t raw_descriptors(const struct disk *disk, int *ret)
{
	return disk_file_descriptors(&((const struct disk_raw *)disk)->file, ret);
}

static void raw_free(struct disk *disk)
{
	struct disk_raw *raw = raw_of(disk);
	disk_file_release(&raw->file);
	free(raw->path);
	free(raw);
}

static const struct disk_ops raw_ops = {.read = raw_read,
					.write = raw_write,
					.flush = raw_flush,
					.discard = raw_discard,
					.zero = raw_zero,
					.descriptors = raw_descriptors,
					.free = raw_free};

static bool find_size(struct disk_raw *raw, const struct stat *stat, struct err **errp)
{
	uint64_t size = (uint64_t)stat->st_size;
	if (raw->device && ioctl(raw->file.fd, BLKGETSIZE64, &size) != 0)
		return err_set_errno(errp, errno, "ask for the size of %s", raw->path);
	if (size == 0 || size % DISK_SECTOR != 0)
		return err_set(errp, ERR_FAILED,
			       "%s is no disk: it has %" PRIu64 " bytes, which is no number of sectors of %u",
			       raw->path, size, DISK_SECTOR);
	raw->disk.size = size;
	return true;
}

/* A device that is mounted, or that carries a volume, is somebody else's: O_EXCL finds that out. A pipe must not hang
 * us. */
static bool open_image(struct disk_raw *raw, struct err **errp)
{
	int flags = (raw->disk.read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat stat_of;
	raw->file.fd = open(raw->path, flags);
	if (raw->file.fd < 0 || fstat(raw->file.fd, &stat_of) != 0)
		return err_set_errno(errp, errno, "%s", raw->path);
	if (!S_ISREG(stat_of.st_mode) && !S_ISBLK(stat_of.st_mode))
		return err_set(errp, ERR_FAILED, "%s is neither a file nor a block device", raw->path);
	raw->device = S_ISBLK(stat_of.st_mode);
	if (raw->device && !raw->disk.read_only) {
		file_closep(&raw->file.fd);
		raw->file.fd = open(raw->path, flags | O_EXCL);
		if (raw->file.fd < 0)
			return err_set_errno(errp, errno, "%s", raw->path);
	}
	disk_file_init(&raw->file, raw->file.fd);
	return find_size(raw, &stat_of, errp);
}

struct disk *disk_open_raw(const char *name, const char *path, bool read_only, struct err **errp)
{
	struct disk_raw *raw = calloc(1, sizeof(*raw));
	if (!raw) {
		err_set_no_memory(errp);
		return NULL;
	}
	AUTO(disk_freep) struct disk *disk = &raw->disk;
	*raw = (struct disk_raw){.disk = {.ops = &raw_ops, .name = name, .read_only = read_only},
				 .file = {.fd = -1, .direct = -1}};
	raw->path = strdup(path);
	if (!raw->path) {
		err_set_no_memory(errp);
		return NULL;
	}
	return open_image(raw, errp) && disk_lock(raw->file.fd, path, read_only, errp) ? STEAL(&disk) : NULL;
}
