/* SPDX-License-Identifier: Apache-2.0 */
/* A block device: written in place, and where the disk has a hole, zeroed, for it may hold anything. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "restore/image_sink.h"

enum { ZEROS_SIZE = 1 << 20 };

struct device_sink {
	struct image_sink sink;
	int fd;
};

static bool device_write(struct image_sink *sink, const void *data, size_t len, uint64_t offset, struct err **errp)
{
	return file_write_at(((struct device_sink *)sink)->fd, data, len, offset, sink->path, errp);
}

static bool write_zeros(int fd, uint64_t offset, uint64_t len, const char *path, struct err **errp)
{
	AUTO(freep) void *zeros = calloc(1, ZEROS_SIZE);
	if (!zeros)
		return err_set_no_memory(errp);
	while (len > 0) {
		size_t part = len < ZEROS_SIZE ? (size_t)len : ZEROS_SIZE;
		if (!file_write_at(fd, zeros, part, offset, path, errp))
			return false;
		offset += part;
		len -= part;
	}
	return true;
}

/* BLKZEROOUT wants whole sectors; what it refuses is written. */
static bool device_zero(struct image_sink *sink, uint64_t offset, uint64_t len, struct err **errp)
{
	int fd = ((struct device_sink *)sink)->fd;
	uint64_t range[2] = {offset, len};
	return ioctl(fd, BLKZEROOUT, range) == 0 || write_zeros(fd, offset, len, sink->path, errp);
}

static bool device_finish(struct image_sink *sink, struct err **errp)
{
	if (fsync(((struct device_sink *)sink)->fd) < 0)
		return err_set_errno(errp, errno, "write %s to the device", sink->path);
	return true;
}

static void device_free(struct image_sink *sink)
{
	struct device_sink *device = (struct device_sink *)sink;
	if (device->fd >= 0)
		close(device->fd);
	free(sink->path);
	free(device);
}

static const struct image_sink_ops device_ops = {
	.write = device_write, .zero = device_zero, .finish = device_finish, .free = device_free};

static bool open_device(struct device_sink *device, struct err **errp)
{
	device->fd = open(device->sink.path, O_RDWR | O_EXCL | O_CLOEXEC);
	if (device->fd >= 0)
		return true;
	if (errno == EBUSY)
		return err_set(errp, ERR_BUSY, "%s is in use: unmount it, or stop what uses it", device->sink.path);
	return err_set_errno(errp, errno, "open %s", device->sink.path);
}

static bool check_size(const struct device_sink *device, uint64_t size, struct err **errp)
{
	uint64_t there = 0;
	if (ioctl(device->fd, BLKGETSIZE64, &there) < 0)
		return err_set_errno(errp, errno, "size of %s", device->sink.path);
	if (there < size)
		return err_set(errp, ERR_NO_SPACE, "%s has %llu bytes, and the disk needs %llu", device->sink.path,
			       (unsigned long long)there, (unsigned long long)size);
	return true;
}

struct image_sink *image_sink_device(const struct image_request *request, struct err **errp)
{
	struct device_sink *device = calloc(1, sizeof(*device));
	char *path = strdup(request->path);
	if (!device || !path) {
		free(device);
		free(path);
		err_set_no_memory(errp);
		return NULL;
	}
	*device = (struct device_sink){.sink = {.ops = &device_ops, .path = path}, .fd = -1};
	AUTO(image_sink_freep) struct image_sink *sink = &device->sink;
	if (!request->force) {
		err_set(errp, ERR_EXISTS,
			"%s is a device, and what it holds would be lost: give --force to write over it", path);
		return NULL;
	}
	return open_device(device, errp) && check_size(device, request->size, errp) ? STEAL(&sink) : NULL;
}
