/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Building the tree of a stream from chunks in ascending order, above the tree of its parent: what is not put is taken
 * over from the parent, whole subtrees at a time and without reading them. Memory: one node a level.
 */
#pragma once

#include "storage/tree_read.h"

struct tree_writer;

/* Where nodes go: stores a node's plaintext, or finds it stored already, and gives its place. */
typedef bool tree_store_function(void *arg, uint8_t level, const struct chunk_id *id, struct span plain,
				 struct locator *ret, struct err **errp);

/*
 * parent: NULL for a first backup, or the parent's tree with the same exponent and metadata key (its size may differ:
 * what the parent does not have is a hole; a short last chunk of a smaller parent must be put again). is_condemned may
 * be NULL; a subtree whose top node is condemned is never taken over as it stands.
 */
NODISCARD struct tree_writer *tree_writer_new(const struct metadata_keys *keys, const struct stream_shape *shape,
					      struct tree_reader *parent, tree_condemned_function *is_condemned,
					      void *condemned_arg, tree_store_function *store, void *store_arg,
					      struct err **errp);
void tree_writer_free(struct tree_writer *tree);
DEFINE_AUTO_FREE(struct tree_writer, tree_writer_free);
/* Indexes strictly ascend. A zero id makes a hole. */
NODISCARD bool tree_writer_put(struct tree_writer *tree, uint64_t index, const struct tree_ref *chunk,
			       struct err **errp);
/* Makes [first, end) holes without naming each chunk; first is behind everything put. */
NODISCARD bool tree_writer_punch(struct tree_writer *tree, uint64_t first, uint64_t end, struct err **errp);
/* The top (zero id for an all-zero stream), complete with what was not put. */
NODISCARD bool tree_writer_finish(struct tree_writer *tree, struct tree_ref *ret_top, struct err **errp);
