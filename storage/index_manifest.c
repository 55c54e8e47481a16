/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "storage/checksum.h"
#include "storage/crypto.h"
#include "storage/format_parts.h"

#define MANIFEST_MAGIC "SLVRMANI"
#define MANIFEST_MAX_BYTES (256u << 20)

void manifest_release(struct manifest *manifest)
{
	free(manifest->segments);
	pack_set_release(&manifest->applied);
	*manifest = (struct manifest){0};
}

static bool parse_segments(struct cursor *cursor, struct manifest *manifest, struct err **errp)
{
	uint32_t n = cursor_u32(cursor);

	if (!cursor_ok(cursor) || n > MANIFEST_MAX_SEGMENTS || n > cursor->left / sizeof(uint64_t))
		return err_set(errp, ERR_CORRUPT, "manifest: too many segments");
	for (uint32_t i = 0; i < n; i++) {
		uint64_t number = cursor_u64(cursor);
		if (number >= manifest->next || manifest_has(manifest, number))
			return err_set(errp, ERR_CORRUPT, "manifest: impossible segment");
		if (!manifest_append(manifest, number, errp))
			return false;
	}
	return true;
}

bool manifest_parse(struct span file, struct manifest *ret, struct err **errp)
{
	AUTO(manifest_release) struct manifest manifest = {0};
	struct cursor cursor;
	struct span body;
	bool holds;

	if (!checksum_split(file, &body, &holds, errp))
		return false;
	if (!holds)
		return err_set(errp, ERR_CORRUPT, "manifest: damaged");
	cursor_init(&cursor, body);
	if (!format_begin(&cursor, MANIFEST_MAGIC, "manifest", errp))
		return false;
	manifest.next = cursor_u64(&cursor);
	if (!parse_segments(&cursor, &manifest, errp) || !pack_set_parse(&cursor, &manifest.applied, errp))
		return false;
	if (!cursor_done(&cursor))
		return err_set(errp, ERR_CORRUPT, "manifest: bytes behind its end");
	*ret = manifest;
	manifest = (struct manifest){0};
	return true;
}

/* The index is a cache: whatever is wrong with the manifest, it is made again. */
bool manifest_load(const char *folder, struct manifest *ret, struct err **errp)
{
	AUTO(freep) char *path = file_join(folder, "manifest");
	AUTO(bytes_release) struct bytes file = {0};

	if (!path)
		return err_set_no_memory(errp);
	*ret = (struct manifest){.next = 1};
	if (file_read_all(path, MANIFEST_MAX_BYTES, &file, errp) && manifest_parse(bytes_span(&file), ret, errp))
		return true;
	enum err_code code = err_code(*errp);
	if (code != ERR_NOT_FOUND && code != ERR_CORRUPT && code != ERR_UNSUPPORTED)
		return false;
	log_debug("index: %s", err_message(*errp));
	err_clear(errp);
	return true;
}

bool manifest_save(const char *folder, const struct manifest *manifest, struct err **errp)
{
	AUTO(freep) char *path = file_join(folder, "manifest");
	AUTO(bytes_release) struct bytes out;

	bytes_init(&out, MANIFEST_MAX_BYTES);
	format_put_begin(&out, MANIFEST_MAGIC);
	bytes_u64(&out, manifest->next);
	bytes_u32(&out, (uint32_t)manifest->n_segments);
	for (size_t i = 0; i < manifest->n_segments; i++)
		bytes_u64(&out, manifest->segments[i]);
	pack_set_encode(&manifest->applied, &out);
	if (!path)
		return err_set_no_memory(errp);
	return checksum_append(&out, errp) && file_replace(path, bytes_span(&out), 0600, errp);
}

bool manifest_append(struct manifest *manifest, uint64_t number, struct err **errp)
{
	uint64_t *segments = reallocarray(manifest->segments, manifest->n_segments + 1, sizeof(*segments));

	if (!segments)
		return err_set_no_memory(errp);
	manifest->segments = segments;
	segments[manifest->n_segments++] = number;
	return true;
}

bool manifest_has(const struct manifest *manifest, uint64_t number)
{
	for (size_t i = 0; i < manifest->n_segments; i++)
		if (manifest->segments[i] == number)
			return true;
	return false;
}

void manifest_drop(struct manifest *manifest, uint64_t number)
{
	size_t kept = 0;

	for (size_t i = 0; i < manifest->n_segments; i++)
		if (manifest->segments[i] != number)
			manifest->segments[kept++] = manifest->segments[i];
	manifest->n_segments = kept;
}

bool manifest_lock(const char *folder, int *ret_fd, struct err **errp)
{
	AUTO(freep) char *path = file_join(folder, "lock");

	if (!path)
		return err_set_no_memory(errp);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set_errno(errp, errno, "open '%s'", path);
	while (flock(fd, LOCK_EX) != 0) {
		int errnum = errno;
		if (errnum == EINTR)
			continue;
		close(fd);
		return err_set_errno(errp, errnum, "lock '%s'", path);
	}
	*ret_fd = fd;
	return true;
}
