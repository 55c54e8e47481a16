/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that fill a stream's cache ahead of sequential readers. */
#pragma once

#include "storage/stream_cache_internal.h"

struct read_ahead;

/* Starts that many threads; see stream_reader_options. cache must outlive it. */
NODISCARD struct read_ahead *read_ahead_new(struct stream_cache *cache, const struct stream_shape *shape,
					    unsigned threads, bool careful, struct err **errp);
/* Ends the threads. */
void read_ahead_free(struct read_ahead *ahead);
DEFINE_AUTO_FREE(struct read_ahead, read_ahead_free);
/* Somebody reads chunks [first, end) now. Never blocks for long. */
void read_ahead_note(struct read_ahead *ahead, uint64_t first, uint64_t end);
