/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/blocks.h"
#include "hypervisor/files/image.h"

/* Where data, or a hole, begins at or after `from`; the end of the image where neither does. */
static bool seek_next(const struct image *image, uint64_t from, int whence, uint64_t *ret_at, struct err **errp)
{
	off_t at = lseek(image->fd, (off_t)from, whence);
	if (at < 0 && errno != ENXIO)
		return err_set_errno(errp, errno, "%s: look for holes at %llu", image->path, (unsigned long long)from);
	*ret_at = at < 0 || (uint64_t)at > image->size ? image->size : (uint64_t)at;
	return true;
}

static bool map_device(const struct image *image, extent_function *each, void *arg, struct err **errp)
{
	struct extent whole = {.length = image->size, .changed = true};
	return image->size == 0 || each(arg, &whole, errp);
}

static bool map_raw(const struct image *image, extent_function *each, void *arg, struct err **errp)
{
	for (uint64_t at = 0; at < image->size;) {
		uint64_t data = 0, hole = 0;
		if (!seek_next(image, at, SEEK_DATA, &data, errp))
			return false;
		struct extent zeros = {.offset = at, .length = data - at, .changed = true, .zero = true};
		if (zeros.length > 0 && !each(arg, &zeros, errp))
			return false;
		if (data == image->size)
			break;
		if (!seek_next(image, data, SEEK_HOLE, &hole, errp))
			return false;
		struct extent filled = {.offset = data, .length = hole - data, .changed = true};
		if (filled.length > 0 && !each(arg, &filled, errp))
			return false;
		at = hole;
		if (image->cancel && !cancel_check(image->cancel, errp))
			return false;
	}
	return true;
}

bool image_map(const struct image *image, extent_function *each, void *arg, struct err **errp)
{
	if (!image->server)
		return image->device ? map_device(image, each, arg, errp) : map_raw(image, each, arg, errp);
	AUTO(blocks_closep) struct blocks *blocks = image_connect(image, errp);
	return blocks && blocks_map(blocks, each, arg, errp);
}

/* A file that shrank gives fewer bytes than it promised. */
static bool read_raw(const struct image *image, const struct read_request *request, struct err **errp)
{
	for (size_t done = 0; done < request->length;) {
		ssize_t n = TEMP_FAILURE_RETRY(pread(image->fd, (uint8_t *)request->data + done, request->length - done,
						     (off_t)(request->offset + done)));
		if (n < 0)
			return err_set_errno(errp, errno, "%s: read at %llu", image->path,
					     (unsigned long long)(request->offset + done));
		if (n == 0)
			return image_changed(image, "shrank", errp);
		done += (size_t)n;
	}
	return true;
}

bool image_read(const struct image *image, struct blocks *blocks, const struct read_request *requests, size_t n,
		struct err **errp)
{
	if (blocks)
		return blocks_read(blocks, requests, n, errp) || err_prefix(errp, "%s", image->path);
	for (size_t i = 0; i < n; i++) {
		if (image->cancel && !cancel_check(image->cancel, errp))
			return false;
		if (!read_raw(image, &requests[i], errp))
			return false;
	}
	return true;
}
