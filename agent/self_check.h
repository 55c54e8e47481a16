/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change map that proves itself: chunks that it says are unchanged are read again, and compared by id with the parent
 * that they are taken over from.
 *
 * Each increment does so with a few chunks of each disk, chosen anew each time: SELF_CHECK_DATA that hold data and
 * SELF_CHECK_ZEROS that read as zeros, at most 2 MiB a disk. Of N unchanged chunks with data, one that changed in truth
 * is found in one run with a chance of SELF_CHECK_DATA/N; where all of an image is another's, in the first run. A full
 * read compares all of them.
 */
#pragma once

#include "agent/change_map.h"
#include "storage/session.h"

#define SELF_CHECK_DATA 24u
#define SELF_CHECK_ZEROS 8u

/* One disk's. Borrows map and parent. */
struct self_check {
	const struct change_map *map;
	struct tree_reader *parent;
	uint64_t wrong;		/* chunks that differ from the parent, though the map kept them */
	uint64_t first_wrong;	/* the lowest of those */
	struct err *unreadable; /* why the parent cannot be asked; what is told from then on goes unchecked */
};

void self_check_release(struct self_check *check);
/* The chunk has this id now, zero for zeros; chunks that the map does not keep are passed over. One thread. */
NODISCARD bool self_check_chunk(struct self_check *check, uint64_t chunk, const struct chunk_id *id, struct err **errp);
/* All chunks in [first, end) read as zeros now. */
NODISCARD bool self_check_zeros(struct self_check *check, uint64_t first, uint64_t end, struct err **errp);

struct self_check_source {
	struct engine *engine;
	struct cut *cut;
	size_t disk;
	const struct metadata_keys *keys;
};
/* Reads some kept chunks and checks them. */
NODISCARD bool self_check_sample(struct self_check *check, const struct self_check_source *source, uint64_t *ret_bytes,
				 struct err **errp);
