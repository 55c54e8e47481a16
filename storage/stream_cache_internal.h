/* SPDX-License-Identifier: Apache-2.0 */
/* The plain chunks of one stream, in a bounded cache. Thread-safe; a chunk is fetched once, however many want it. */
#pragma once

#include "storage/tree_read.h"

#define STREAM_WINDOW 64u /* chunks that one call looks at, at most */

struct stream_cache;

/* A held chunk. A hole has no data. */
struct held_chunk {
	struct chunk_slot *slot;
	const uint8_t *data;
};

NODISCARD struct stream_cache *stream_cache_new(struct pack_reader *packs, struct tree_reader *tree, size_t max_bytes,
						struct err **errp);
void stream_cache_free(struct stream_cache *cache);
DEFINE_AUTO_FREE(struct stream_cache, stream_cache_free);
/* How many chunks it can keep. */
size_t stream_cache_slots(const struct stream_cache *cache);

/*
 * Holds chunks [first, first + n), n up to STREAM_WINDOW, in memory: fetches those that are not there in one call,
 * waits for those that another thread fetches. Gives how many it could hold, at least one. The caller lets all of these
 * go.
 */
NODISCARD bool stream_cache_hold(struct stream_cache *cache, uint64_t first, size_t n, struct held_chunk *held,
				 size_t *ret_n, struct err **errp);
void stream_cache_release(struct stream_cache *cache, struct held_chunk *held, size_t n);
/* Fetches what is neither there nor under way, as far as places are free now. */
NODISCARD bool stream_cache_prefetch(struct stream_cache *cache, uint64_t first, size_t n, struct err **errp);
