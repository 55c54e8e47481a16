/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking from the top. Nodes come from a small cache by their place in the tree; the cache's lock is never held while
 * a node is read or a caller is called.
 */
#include "storage/tree_read.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/tree_internal.h"

enum { CACHED_NODES = 64 };

struct cached_node {
	uint64_t used; /* when, by the count of uses; 0: the place is free */
	uint64_t index;
	struct tree_node node;
};

struct tree_reader {
	struct pack_reader *packs;
	struct stream_shape shape;
	struct tree_ref top;
	bool placed; /* stream is known */
	uint16_t stream;
	pthread_mutex_t lock; /* of what follows */
	uint64_t uses;
	struct cached_node cache[CACHED_NODES];
};

struct tree_reader *tree_reader_new(struct pack_reader *packs, const struct stream_shape *shape,
				    const struct tree_ref *top, struct err **errp)
{
	if (shape->exponent < CHUNK_EXPONENT_MIN || shape->exponent > CHUNK_EXPONENT_MAX) {
		err_set(errp, ERR_CORRUPT, "chunks of 2^%u bytes are not possible", shape->exponent);
		return NULL;
	}
	struct tree_reader *tree = calloc(1, sizeof(*tree));
	if (!tree) {
		err_set_no_memory(errp);
		return NULL;
	}
	tree->packs = packs;
	tree->shape = *shape;
	tree->top = *top;
	pthread_mutex_init(&tree->lock, NULL);
	return tree;
}

void tree_reader_free(struct tree_reader *tree)
{
	if (!tree)
		return;
	pthread_mutex_destroy(&tree->lock);
	free(tree);
}

const struct stream_shape *tree_reader_shape(const struct tree_reader *tree)
{
	return &tree->shape;
}

void tree_reader_set_stream(struct tree_reader *tree, uint16_t number)
{
	tree->stream = number;
	tree->placed = true;
}

struct tree_place tree_reader_place(const struct tree_reader *tree, uint64_t chunk)
{
	return (struct tree_place){.stream = tree->stream, .index = chunk};
}

const struct tree_ref *tree_reader_top(const struct tree_reader *tree)
{
	return &tree->top;
}

static struct cached_node *cache_find(struct tree_reader *tree, uint8_t level, uint64_t index)
{
	for (size_t i = 0; i < CACHED_NODES; i++) {
		struct cached_node *cached = &tree->cache[i];
		if (cached->used != 0 && cached->index == index && cached->node.level == level)
			return cached;
	}
	return NULL;
}

static bool cache_get(struct tree_reader *tree, uint8_t level, uint64_t index, struct tree_node *ret)
{
	pthread_mutex_lock(&tree->lock);
	struct cached_node *cached = cache_find(tree, level, index);
	if (cached) {
		cached->used = ++tree->uses;
		*ret = cached->node;
	}
	pthread_mutex_unlock(&tree->lock);
	return cached;
}

static void cache_add(struct tree_reader *tree, uint64_t index, const struct tree_node *node)
{
	pthread_mutex_lock(&tree->lock);
	struct cached_node *place = cache_find(tree, node->level, index);
	if (!place) {
		place = &tree->cache[0];
		for (size_t i = 1; i < CACHED_NODES; i++)
			if (tree->cache[i].used < place->used)
				place = &tree->cache[i];
	}
	*place = (struct cached_node){.used = ++tree->uses, .index = index, .node = *node};
	pthread_mutex_unlock(&tree->lock);
}

/* A node has its level, and no child behind the end of the stream. */
static bool node_fits(const struct tree_reader *tree, uint8_t level, uint64_t index, const struct tree_node *node)
{
	return node->level == level && tree_child_first(level, index, node->n - 1u) < stream_chunks(&tree->shape);
}

static bool refuse_node(uint8_t level, uint64_t index, const struct tree_ref *ref, struct err **errp)
{
	char name[OBJECT_NAME_SIZE];
	err_set(errp, ERR_CORRUPT, "tree node %" PRIu64 " of level %u: it belongs elsewhere", index, level);
	return err_about(errp, "%s", object_name_pack(PACK_META, &ref->at.session, ref->at.seq, name));
}

static bool read_node(struct tree_reader *tree, uint8_t level, uint64_t index, const struct tree_ref *ref,
		      struct tree_node *ret, struct err **errp)
{
	const struct tree_place place = {.stream = tree->stream, .height = (uint8_t)(level + 1), .index = index};
	return tree->placed ? pack_reader_node_of(tree->packs, &place, &ref->id, &ref->at, ret, errp)
			    : pack_reader_node(tree->packs, &ref->id, &ref->at, ret, errp);
}

bool tree_reader_node(struct tree_reader *tree, uint8_t level, uint64_t index, const struct tree_ref *ref,
		      struct tree_node *ret, struct err **errp)
{
	if (cache_get(tree, level, index, ret))
		return true;
	struct tree_node node;
	if (!read_node(tree, level, index, ref, &node, errp))
		return err_prefix(errp, "tree node %" PRIu64 " of level %u", index, level);
	if (!node_fits(tree, level, index, &node))
		return refuse_node(level, index, ref, errp);
	cache_add(tree, index, &node);
	*ret = node;
	return true;
}

/* A walk over the chunks [first, end). */
struct walk {
	struct tree_reader *tree;
	uint64_t first, end;
	tree_each_function *each;
	tree_lost_function *lost; /* NULL: a node that cannot be read ends it */
	void *arg;
};

static bool lose_node(const struct walk *walk, uint8_t level, uint64_t index, struct err **errp)
{
	uint64_t first = tree_child_first(level, index, 0), end = tree_child_first(level, index + 1, 0);
	return walk->lost && walk->lost(walk->arg, first, end < walk->end ? end : walk->end, errp);
}

static bool walk_node(const struct walk *walk, uint8_t level, uint64_t index, const struct tree_ref *ref,
		      struct err **errp)
{
	struct tree_node node;
	if (!tree_reader_node(walk->tree, level, index, ref, &node, errp))
		return lose_node(walk, level, index, errp);
	for (unsigned slot = 0; slot < node.n; slot++) {
		const struct tree_ref *child = &node.children[slot];
		uint64_t first = tree_child_first(level, index, slot);
		if (chunk_id_is_zero(&child->id) || first >= walk->end || first + tree_child_span(level) <= walk->first)
			continue;
		bool ok = level == 0 ? walk->each(walk->arg, first, child, errp)
				     : walk_node(walk, (uint8_t)(level - 1), index * TREE_FANOUT + slot, child, errp);
		if (!ok)
			return false;
	}
	return true;
}

static bool walk_tree(const struct walk *walk, struct err **errp)
{
	const struct tree_ref *top = &walk->tree->top;
	if (walk->first >= walk->end || chunk_id_is_zero(&top->id))
		return true;
	return walk_node(walk, (uint8_t)(stream_depth(&walk->tree->shape) - 1), 0, top, errp);
}

bool tree_each(struct tree_reader *tree, uint64_t first, uint64_t end, tree_each_function *each, void *arg,
	       struct err **errp)
{
	const struct walk walk = {.tree = tree, .first = first, .end = end, .each = each, .arg = arg};
	return walk_tree(&walk, errp);
}

bool tree_each_around(struct tree_reader *tree, tree_each_function *each, tree_lost_function *lost, void *arg,
		      struct err **errp)
{
	const struct walk walk = {
		.tree = tree, .end = stream_chunks(&tree->shape), .each = each, .lost = lost, .arg = arg};
	return walk_tree(&walk, errp);
}

/* The reference that a node of `level` has for a chunk; level = depth gives the top. */
static bool descend(struct tree_reader *tree, uint8_t level, uint64_t chunk, struct tree_ref *ret, struct err **errp)
{
	*ret = (struct tree_ref){0};
	if (chunk >= stream_chunks(&tree->shape))
		return true;
	struct tree_ref at = tree->top;
	for (uint8_t below = stream_depth(&tree->shape); below > level && !chunk_id_is_zero(&at.id); below--) {
		uint8_t here = (uint8_t)(below - 1);
		struct tree_node node;
		if (!tree_reader_node(tree, here, tree_index(here, chunk), &at, &node, errp))
			return false;
		at = node.children[tree_slot(here, chunk)];
	}
	*ret = at;
	return true;
}

bool tree_find(struct tree_reader *tree, uint64_t index, struct tree_ref *ret, struct err **errp)
{
	return descend(tree, 0, index, ret, errp);
}

bool tree_subtree(struct tree_reader *tree, uint8_t level, uint64_t index, struct tree_ref *ret, struct err **errp)
{
	if (level < stream_depth(&tree->shape))
		return descend(tree, (uint8_t)(level + 1), index, ret, errp);
	*ret = (struct tree_ref){0};
	return true;
}
