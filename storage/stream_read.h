/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a stream of a point by address, as a disk: authenticated, thread-safe, with a bounded cache of chunks. */
#pragma once

#include "storage/point.h"
#include "storage/tree_read.h"

/* The tree of a stream of the point that is read: with the rescue of `packs`, also where it is damaged. */
NODISCARD struct tree_reader *stream_tree_new(struct pack_reader *packs, const struct stream *stream,
					      struct err **errp);

struct stream_reader;

struct stream_reader_options {
	size_t cache_bytes;  /* plain chunks kept, as 64 MiB; never less than 64 chunks */
	unsigned read_ahead; /* threads that fetch along the tree behind sequential reads; 0: none */
	bool careful;	     /* bytes cost: no more is fetched ahead than was read of the same run before */
};

/* The repository and the pack reader must outlive it; the stream is copied. */
NODISCARD struct stream_reader *stream_reader_new(struct pack_reader *packs, const struct stream *stream,
						  const struct stream_reader_options *options, struct err **errp);
void stream_reader_free(struct stream_reader *reader);
DEFINE_AUTO_FREE(struct stream_reader, stream_reader_free);
uint64_t stream_reader_size(const struct stream_reader *reader);
struct tree_reader *stream_reader_tree(struct stream_reader *reader);
/* [offset, offset + len) must lie inside the stream. */
NODISCARD bool stream_reader_read(struct stream_reader *reader, uint64_t offset, void *data, size_t len,
				  struct err **errp);
/* A whole small stream (definition, firmware variables) of at most max bytes. Caller releases. */
NODISCARD bool stream_read_all(struct pack_reader *packs, const struct stream *stream, size_t max, struct bytes *ret,
			       struct err **errp);
