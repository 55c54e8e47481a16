/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes and the shape of streams, see docs/format.md, Tree. What tree_write.h makes and tree_read.h walks. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/chunk.h"
#include "storage/ids.h"

#define TREE_FANOUT 128u
#define TREE_DEPTH_MAX 9
#define TREE_NODE_MAX (4u + TREE_FANOUT * ID_SIZE + 1u + TREE_FANOUT * 20u + TREE_FANOUT * 3u)

/* A reference to content: an id and where it lies. A zero id is a hole and has no place. */
struct tree_ref {
	struct chunk_id id;
	struct locator at;
};

struct tree_node {
	uint8_t level;			       /* 0: children are chunks */
	uint16_t n;			       /* last non-zero child + 1, 1 … TREE_FANOUT */
	struct tree_ref children[TREE_FANOUT]; /* zero beyond n */
};

struct stream_shape {
	uint64_t size;
	uint8_t exponent;
};

/*
 * Where content stands in a point, whatever its content is and wherever it lies: chunk `index` of a stream (height 0),
 * or node `index`, from the left, of level height - 1 of its tree.
 */
struct tree_place {
	uint64_t index;
	uint16_t stream; /* its number */
	uint8_t height;
};

/* ceil(size / 2^exponent). */
uint64_t stream_chunks(const struct stream_shape *shape);
/* Plain bytes of chunk i. */
uint32_t stream_chunk_len(const struct stream_shape *shape, uint64_t index);
/* Least d >= 1 with 128^d >= chunks. */
uint8_t stream_depth(const struct stream_shape *shape);
/* HMAC(K_id, 0x02 ‖ u64 size ‖ u8 exponent ‖ u8 depth ‖ top id). */
NODISCARD bool stream_root(const struct metadata_keys *keys, const struct stream_shape *shape,
			   const struct chunk_id *top, struct chunk_id *ret, struct err **errp);

/* Strict parser of foreign bytes. ERR_CORRUPT. */
NODISCARD bool tree_node_parse(struct span plain, struct tree_node *ret, struct err **errp);
NODISCARD bool tree_node_encode(const struct tree_node *node, struct bytes *ret, struct err **errp);
/* HMAC(K_id, 0x01 ‖ u8 level ‖ u16 n ‖ ids). */
NODISCARD bool tree_node_id(const struct metadata_keys *keys, const struct tree_node *node, struct chunk_id *ret,
			    struct err **errp);
