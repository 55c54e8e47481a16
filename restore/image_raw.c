/* SPDX-License-Identifier: Apache-2.0 */
/* A raw file: of its full size and all holes from the start, so that only data is written. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "restore/image_sink.h"
#include "restore/image_temporary.h"

struct raw_sink {
	struct image_sink sink;
	struct image_temporary temporary;
	int direct; /* past the page cache, or -1 */
};

/* The disk begins to write at once, so that little is left to wait for at the end. A hint: fsync tells of failures. */
static bool raw_write(struct image_sink *sink, const void *data, size_t len, uint64_t offset, struct err **errp)
{
	const struct raw_sink *raw = (struct raw_sink *)sink;
	int fd = raw->temporary.fd;
	if (!file_write_past_cache(fd, raw->direct, data, len, offset, sink->path, errp))
		return false;
	sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
	return true;
}

static bool raw_finish(struct image_sink *sink, struct err **errp)
{
	return image_temporary_finish(&((struct raw_sink *)sink)->temporary, errp);
}

static void raw_free(struct image_sink *sink)
{
	struct raw_sink *raw = (struct raw_sink *)sink;
	file_closep(&raw->direct);
	image_temporary_release(&raw->temporary);
	free(sink->path);
	free(raw);
}

static const struct image_sink_ops raw_ops = {.write = raw_write, .finish = raw_finish, .free = raw_free};

struct image_sink *image_sink_raw(const struct image_request *request, struct err **errp)
{
	struct raw_sink *raw = calloc(1, sizeof(*raw));
	char *path = strdup(request->path);
	if (!raw || !path) {
		free(raw);
		free(path);
		err_set_no_memory(errp);
		return NULL;
	}
	*raw = (struct raw_sink){.sink = {.ops = &raw_ops, .path = path}, .temporary = {.fd = -1}, .direct = -1};
	AUTO(image_sink_freep) struct image_sink *sink = &raw->sink;
	if (!image_temporary_make(path, request->force, &raw->temporary, errp))
		return NULL;
	raw->direct = file_open_direct(raw->temporary.fd);
	if (ftruncate(raw->temporary.fd, (off_t)request->size) < 0) {
		err_set_errno(errp, errno, "make %s of %llu bytes", path, (unsigned long long)request->size);
		return NULL;
	}
	return STEAL(&sink);
}

void image_sink_free(struct image_sink *sink)
{
	if (sink)
		sink->ops->free(sink);
}
