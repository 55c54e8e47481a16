/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file, replaced as a whole; integers little-endian:
 *
 *   "SLVRPMEM" u16 version=1 u16 0 u64 began_ns u64 bytes  pack set  sha256[32] of all before
 */
#include "storage/pack_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/checksum.h"
#include "storage/format_parts.h"

#define MAGIC "SLVRPMEM"

enum { FILE_MAX = 64 << 20 };

void pack_memory_release(struct pack_memory *memory)
{
	pack_set_release(&memory->packs);
	*memory = (struct pack_memory){0};
}

bool pack_memory_parse(struct span body, struct pack_memory *ret, struct err **errp)
{
	AUTO(pack_memory_release) struct pack_memory memory = {0};
	struct cursor cursor;

	cursor_init(&cursor, body);
	if (!format_begin(&cursor, MAGIC, "memory of packs", errp))
		return false;
	memory.began_ns = cursor_u64(&cursor);
	memory.bytes = cursor_u64(&cursor);
	if (!pack_set_parse(&cursor, &memory.packs, errp))
		return false;
	if (!cursor_done(&cursor))
		return err_set(errp, ERR_CORRUPT, "a memory of packs with bytes behind its end");
	*ret = memory;
	memory = (struct pack_memory){0};
	return true;
}

static bool open_file(struct span file, struct pack_memory *ret, struct err **errp)
{
	struct span body;
	bool holds;

	if (!checksum_split(file, &body, &holds, errp))
		return false;
	if (!holds)
		return err_set(errp, ERR_CORRUPT, "a memory of packs with a wrong checksum");
	return pack_memory_parse(body, ret, errp);
}

static bool encode(const struct pack_memory *memory, struct bytes *ret, struct err **errp)
{
	bytes_init(ret, FILE_MAX);
	format_put_begin(ret, MAGIC);
	bytes_u64(ret, memory->began_ns);
	bytes_u64(ret, memory->bytes);
	pack_set_encode(&memory->packs, ret);
	return checksum_append(ret, errp);
}

/* NULL without an error where nothing is remembered. */
static char *path_of(const struct repository *repository, const char *name, struct err **errp)
{
	const char *folder = repository_state_path(repository);
	char *path = folder ? file_join(folder, name) : NULL;

	if (folder && !path)
		err_set_no_memory(errp);
	return path;
}

bool pack_memory_load(const struct repository *repository, const char *name, struct pack_memory *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes file = {0};
	AUTO(freep) char *path = path_of(repository, name, errp);

	if (!path)
		return !*errp;
	if (file_read_all(path, FILE_MAX, &file, errp) && open_file(bytes_span(&file), ret, errp))
		return true;
	if (err_is_of_run(err_code(*errp)))
		return false;
	err_clear(errp);
	return true;
}

bool pack_memory_save(const struct repository *repository, const char *name, const struct pack_memory *memory,
		      struct err **errp)
{
	AUTO(bytes_release) struct bytes file = {0};
	AUTO(freep) char *path = path_of(repository, name, errp);

	if (!path)
		return !*errp;
	return encode(memory, &file, errp) && file_replace(path, bytes_span(&file), 0600, errp);
}

bool pack_memory_forget(const struct repository *repository, const char *name, struct err **errp)
{
	AUTO(freep) char *path = path_of(repository, name, errp);

	if (!path)
		return !*errp;
	return unlink(path) == 0 || errno == ENOENT || err_set_errno(errp, errno, "remove %s", path);
}

bool pack_memory_add_damaged(const struct repository *repository, struct pack_set *ret, struct err **errp)
{
	static const char *const names[] = {PACK_MEMORY_DAMAGED_DIGESTS, PACK_MEMORY_DAMAGED_CONTENTS};

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		AUTO(pack_memory_release) struct pack_memory memory = {0};
		if (!pack_memory_load(repository, names[i], &memory, errp) || !pack_set_merge(ret, &memory.packs, errp))
			return false;
	}
	return true;
}
