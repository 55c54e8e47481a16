/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Places in a tree: node `index` of a level is the index-th from the left, so it covers the chunks
 * [index · 128^(level+1), (index + 1) · 128^(level+1)), whatever the depth of the tree is.
 */
#pragma once

#include "storage/tree_read.h"

#define TREE_FANOUT_BITS 7u

/* The node of a level that covers a chunk. */
static inline uint64_t tree_index(uint8_t level, uint64_t chunk)
{
	return chunk >> (TREE_FANOUT_BITS * (level + 1u));
}

/* Which child of that node does. */
static inline unsigned tree_slot(uint8_t level, uint64_t chunk)
{
	return (unsigned)((chunk >> (TREE_FANOUT_BITS * level)) % TREE_FANOUT);
}

/* Chunks that one child of a node of this level covers. */
static inline uint64_t tree_child_span(uint8_t level)
{
	return UINT64_C(1) << (TREE_FANOUT_BITS * level);
}

/* The first chunk below a child. */
static inline uint64_t tree_child_first(uint8_t level, uint64_t index, unsigned slot)
{
	return (index * TREE_FANOUT + slot) * tree_child_span(level);
}

const struct tree_ref *tree_reader_top(const struct tree_reader *tree);
/* The node that ref names, which must be node `index` of `level`. From the cache when it is there. */
NODISCARD bool tree_reader_node(struct tree_reader *tree, uint8_t level, uint64_t index, const struct tree_ref *ref,
				struct tree_node *ret, struct err **errp);
