/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking a stream's tree. A reader keeps a bounded number of nodes; it is thread-safe. Nodes are checked against
 * their ids, so what a walk says is what the root says.
 */
#pragma once

#include "storage/pack_read.h"
#include "storage/tree.h"

struct tree_reader;

/* top.id zero: an all-zero stream. packs must outlive it. */
NODISCARD struct tree_reader *tree_reader_new(struct pack_reader *packs, const struct stream_shape *shape,
					      const struct tree_ref *top, struct err **errp);
void tree_reader_free(struct tree_reader *tree);
DEFINE_AUTO_FREE(struct tree_reader, tree_reader_free);
const struct stream_shape *tree_reader_shape(const struct tree_reader *tree);
/*
 * Which stream it is of the point that the rescue of `packs` is for: from now on, nodes that are damaged are read from
 * elsewhere. Before others use the reader.
 */
void tree_reader_set_stream(struct tree_reader *tree, uint16_t number);
/* Where a chunk of it stands in that point. */
struct tree_place tree_reader_place(const struct tree_reader *tree, uint64_t chunk);

typedef bool tree_each_function(void *arg, uint64_t index, const struct tree_ref *chunk, struct err **errp);
/* Every chunk in [first, end) that is no hole, ascending. Holes cost nothing. */
NODISCARD bool tree_each(struct tree_reader *tree, uint64_t first, uint64_t end, tree_each_function *each, void *arg,
			 struct err **errp);
/* Chunks [first, end) lie below a node that could not be read, as *errp says: takes the error and returns true to go
 * on. */
typedef bool tree_lost_function(void *arg, uint64_t first, uint64_t end, struct err **errp);
/* As tree_each(), of the whole stream; but a node that cannot be read need not end it. */
NODISCARD bool tree_each_around(struct tree_reader *tree, tree_each_function *each, tree_lost_function *lost, void *arg,
				struct err **errp);
/* The chunk at index; a zero id for a hole. */
NODISCARD bool tree_find(struct tree_reader *tree, uint64_t index, struct tree_ref *ret, struct err **errp);
/* The subtree at `level` (0: a leaf node …; depth - 1: the top) that covers chunk `index`; zero id for a hole. */
NODISCARD bool tree_subtree(struct tree_reader *tree, uint8_t level, uint64_t index, struct tree_ref *ret,
			    struct err **errp);

/* True for packs whose content may not be relied on. */
typedef bool tree_condemned_function(void *arg, enum pack_class cls, const struct session_id *session, uint32_t seq);
/*
 * Gives the chunk ranges [first, end), ascending, that must be put again so that a tree above this one relies on no
 * condemned pack: every chunk that lies in one, and at least one chunk below each node that does (a writer stores the
 * nodes above what is put again).
 */
typedef bool tree_range_function(void *arg, uint64_t first, uint64_t end, struct err **errp);
NODISCARD bool tree_condemned(struct tree_reader *tree, tree_condemned_function *is_condemned, void *condemned_arg,
			      tree_range_function *each, void *arg, struct err **errp);
