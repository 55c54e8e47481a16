/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/cache_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

enum { SIZE_AT = 8, RUN_AT = 16, MAP_AT = 32, TOUCH_S = 60, MAP_PIECE = 1024 };

static const uint8_t magic[8] = "SLVRKEPT";

_Static_assert(RUN_AT + CACHE_RUN_SIZE == MAP_AT, "the head as drawn");

static uint64_t block_of(uint64_t bytes)
{
	return (bytes + CACHE_BLOCK - 1) / CACHE_BLOCK;
}

static uint64_t data_at(uint64_t size)
{
	return block_of(MAP_AT + block_of(size)) * CACHE_BLOCK;
}

struct cache_blocks cache_blocks_around(uint64_t offset, uint64_t len)
{
	return (struct cache_blocks){offset / CACHE_BLOCK, block_of(offset + len)};
}

static bool read_exactly(int fd, void *data, size_t len, uint64_t offset)
{
	AUTO(err_freep) struct err *err = NULL;
	return file_read_at(fd, data, len, offset, "cache", &err);
}

static bool write_exactly(int fd, const void *data, size_t len, uint64_t offset)
{
	AUTO(err_freep) struct err *err = NULL;
	return file_write_at(fd, data, len, offset, "cache", &err);
}

/* What was used lately is kept longest; that it was, need not be written down at every use. */
static void touch(int fd, const struct stat *there)
{
	if (there->st_mtime + TOUCH_S < time(NULL))
		futimens(fd, NULL);
}

static bool check_head(int fd, const uint8_t *run, struct cache_file *ret)
{
	struct stat there;
	uint8_t head[MAP_AT];
	if (fstat(fd, &there) != 0 || !S_ISREG(there.st_mode) || !read_exactly(fd, head, sizeof(head), 0) ||
	    memcmp(head, magic, sizeof(magic)) != 0)
		return false;
	uint64_t size = bytes_load_le64(head + SIZE_AT);
	if (size > CACHE_OBJECT_MAX || (uint64_t)there.st_size != data_at(size) + size ||
	    (run && memcmp(head + RUN_AT, run, CACHE_RUN_SIZE) != 0))
		return false;
	touch(fd, &there);
	*ret = (struct cache_file){.fd = fd, .size = size, .data_at = data_at(size)};
	return true;
}

bool cache_file_open(const char *path, const uint8_t *run, struct cache_file *ret)
{
	*ret = (struct cache_file){.fd = -1};
	AUTO(file_closep) int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || !check_head(fd, run, ret))
		return false;
	ret->fd = STEAL_FD(&fd);
	return true;
}

static bool write_head(int fd, uint64_t size, const uint8_t run[CACHE_RUN_SIZE])
{
	uint8_t head[MAP_AT];
	memcpy(head, magic, sizeof(magic));
	bytes_store_le64(head + SIZE_AT, size);
	memcpy(head + RUN_AT, run, CACHE_RUN_SIZE);
	return ftruncate(fd, (off_t)(data_at(size) + size)) == 0 && write_exactly(fd, head, sizeof(head), 0);
}

bool cache_file_make(const char *path, uint64_t size, const uint8_t run[CACHE_RUN_SIZE], struct cache_file *ret)
{
	*ret = (struct cache_file){.fd = -1};
	AUTO(freep) char *temporary = size <= CACHE_OBJECT_MAX ? file_format("%s.XXXXXX", path) : NULL;
	if (!temporary)
		return false;
	AUTO(file_closep) int fd = mkostemp(temporary, O_CLOEXEC);
	if (fd < 0)
		return false;
	if (!write_head(fd, size, run) || rename(temporary, path) != 0) {
		unlink(temporary);
		return false;
	}
	*ret = (struct cache_file){.fd = STEAL_FD(&fd), .size = size, .data_at = data_at(size)};
	return true;
}

void cache_file_close(struct cache_file *file)
{
	file_closep(&file->fd);
	file->fd = -1;
}

/* Looks at one piece of the map; a map that cannot be read says that nothing is there. */
static void missing_in_piece(const struct cache_file *file, struct cache_blocks piece, struct cache_blocks *missing)
{
	uint8_t map[MAP_PIECE] = {0};
	size_t n = (size_t)(piece.end - piece.first);
	if (!read_exactly(file->fd, map, n, MAP_AT + piece.first))
		memset(map, 0, n);
	for (size_t i = 0; i < n; i++) {
		if (map[i] == 1)
			continue;
		if (missing->first == missing->end)
			missing->first = piece.first + i;
		missing->end = piece.first + i + 1;
	}
}

void cache_file_missing(const struct cache_file *file, struct cache_blocks *blocks)
{
	struct cache_blocks missing = {0};
	for (uint64_t at = blocks->first; at < blocks->end; at += MAP_PIECE) {
		struct cache_blocks piece = {at, blocks->end - at < MAP_PIECE ? blocks->end : at + MAP_PIECE};
		missing_in_piece(file, piece, &missing);
	}
	*blocks = missing;
}

bool cache_file_read(const struct cache_file *file, uint64_t offset, void *data, size_t len)
{
	return read_exactly(file->fd, data, len, file->data_at + offset);
}

/* The blocks first, then that they are there. A power cut may turn that round, and then they are not right. */
bool cache_file_write(const struct cache_file *file, uint64_t offset, struct span bytes)
{
	static const uint8_t there[MAP_PIECE] = {[0 ... MAP_PIECE - 1] = 1};
	struct cache_blocks blocks = cache_blocks_around(offset, bytes.len);
	if (!write_exactly(file->fd, bytes.data, bytes.len, file->data_at + offset))
		return false;
	for (uint64_t at = blocks.first; at < blocks.end; at += MAP_PIECE) {
		uint64_t n = blocks.end - at < MAP_PIECE ? blocks.end - at : MAP_PIECE;
		if (!write_exactly(file->fd, there, (size_t)n, MAP_AT + at))
			return false;
	}
	return true;
}
