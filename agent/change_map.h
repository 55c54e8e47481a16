/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a disk must be read for a new point: two bits a chunk, so 10 TiB cost 40 MiB. A chunk is
 *   kept     nothing in it may have changed: the parent's stands;
 *   read     something in it may have changed, and some of it may be data;
 *   punched  something in it may have changed, and all of it reads as zeros.
 * It may name too many chunks as changed, never too few.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/engine.h"
#include "storage/tree.h"

struct change_map {
	uint64_t *changed, *data; /* bitmaps by chunk */
	uint64_t chunks;
	struct stream_shape shape;
};

enum change_kind { CHANGE_READ, CHANGE_PUNCH };

struct change_run {
	enum change_kind kind;
	uint64_t first, end; /* chunks */
};

NODISCARD bool change_map_init(struct change_map *map, const struct stream_shape *shape, struct err **errp);
void change_map_release(struct change_map *map);
/* Extents may come in any order, and may end behind the disk. */
void change_map_add(struct change_map *map, const struct extent *extent);
/* These chunks are changed, whatever the engine says; what is data in them is as the extents said. */
void change_map_mark(struct change_map *map, uint64_t first, uint64_t end);
/* A map of its own, as `from` is now. */
NODISCARD bool change_map_copy(const struct change_map *from, struct change_map *ret, struct err **errp);
/* Nothing in the chunk may have changed. */
bool change_map_keeps(const struct change_map *map, uint64_t chunk);
/* How many chunks are kept and hold data, or are kept and read as zeros. */
uint64_t change_map_count_kept(const struct change_map *map, bool data);
/* The chunks of that kind whose ranks, counted from 0, are given ascending. */
void change_map_find_kept(const struct change_map *map, bool data, const uint64_t *ranks, size_t n,
			  uint64_t *ret_chunks);
/* The first run at or behind `from`; false when there is none. */
bool change_map_next(const struct change_map *map, uint64_t from, struct change_run *ret);
/* Bytes of all chunks to be read. */
uint64_t change_map_read_bytes(const struct change_map *map);
