/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is kept of one object, in a file: its bytes at their own places, as far as they were fetched, and which blocks
 * these are. Nothing of it is believed: who reads a block must be able to tell whether it is right. So nothing is
 * synced, any number of processes may use one file at once, and it may vanish at any time. Failures are no errors:
 * what cannot be kept is fetched.
 *
 *   0  "SLVRKEPT"  u64 size of the object  run16   (who made the file)
 *  32  u8 for each block: 1 when it is there
 *   …  from the next multiple of CACHE_BLOCK on: the object
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

#define CACHE_BLOCK 4096u
#define CACHE_OBJECT_MAX (64u << 20)
#define CACHE_RUN_SIZE 16

struct cache_file {
	int fd; /* -1: there is none */
	uint64_t size, data_at;
};

/* Blocks [first, end) of an object. */
struct cache_blocks {
	uint64_t first, end;
};

/* The blocks that have bytes of [offset, offset + len). */
struct cache_blocks cache_blocks_around(uint64_t offset, uint64_t len);

/* False when nothing usable is there. With `run`, what others made is not. */
bool cache_file_open(const char *path, const uint8_t *run, struct cache_file *ret);
/* A new file without blocks, in place of what is there. False when it cannot be made. */
bool cache_file_make(const char *path, uint64_t size, const uint8_t run[CACHE_RUN_SIZE], struct cache_file *ret);
void cache_file_close(struct cache_file *file);

/* Narrows to what is between the first and the last missing block; empty (first == end) when all are there. */
void cache_file_missing(const struct cache_file *file, struct cache_blocks *blocks);
/* Bytes of blocks that are there. False when they cannot be read. */
bool cache_file_read(const struct cache_file *file, uint64_t offset, void *data, size_t len);
/* Keeps these bytes: whole blocks, of which only the object's last one may be short. False when there is no room. */
bool cache_file_write(const struct cache_file *file, uint64_t offset, struct span bytes);
