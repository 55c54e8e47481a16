/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The path is the one open node of each level. Invariants:
 *   - the open levels are depth-1 (the top) down to some lowest one, and each open node is a child of the one above it;
 *   - a child of an open node that lies left of the path is final;
 *   - right of it, and on it, a child is as the parent's tree has it (the "base"), less what was punched;
 *   - what is not open at all is the base as it stands;
 *   - a base node that is opened loses the children behind the new end.
 * A node is closed when the path leaves it: then it has its id, and is stored unless the base node of that place says
 * the same.
 */
#include "storage/tree_write.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/tree_internal.h"

struct open_node {
	bool open;
	bool moved; /* a child lies elsewhere than the base node says, so the base node will not do */
	uint64_t index;
	struct tree_ref base;
	struct tree_node node;
};

struct tree_writer {
	const struct metadata_keys *keys;
	struct stream_shape shape;
	uint64_t chunks;
	uint8_t depth;
	struct tree_reader *parent; /* may be NULL */
	struct tree_ref base_top;   /* what the parent has in the place of the top */
	tree_condemned_function *is_condemned;
	void *condemned_arg;
	tree_store_function *store;
	void *store_arg;
	uint64_t next; /* least chunk that may still be put */
	struct open_node path[TREE_DEPTH_MAX];
};

static bool condemned(const struct tree_writer *tree, enum pack_class cls, const struct tree_ref *ref)
{
	return tree->is_condemned && !chunk_id_is_zero(&ref->id) &&
	       tree->is_condemned(tree->condemned_arg, cls, &ref->at.session, ref->at.seq);
}

static void trim(const struct tree_writer *tree, struct tree_node *node, uint64_t index)
{
	for (unsigned slot = 0; slot < node->n; slot++)
		if (tree_child_first(node->level, index, slot) >= tree->chunks)
			node->children[slot] = (struct tree_ref){0};
}

/* A condemned base child means that the base node may not be relied on, even if the same content comes again. */
static bool has_condemned_child(const struct tree_writer *tree, const struct tree_node *node)
{
	enum pack_class cls = node->level == 0 ? PACK_CHUNKS : PACK_META;
	for (unsigned slot = 0; slot < node->n; slot++)
		if (condemned(tree, cls, &node->children[slot]))
			return true;
	return false;
}

static bool open_node(struct tree_writer *tree, uint8_t level, uint64_t index, const struct tree_ref *base,
		      struct err **errp)
{
	struct open_node *at = &tree->path[level];
	*at = (struct open_node){.index = index, .base = *base, .node = {.level = level}};
	if (!chunk_id_is_zero(&base->id)) {
		if (!tree_reader_node(tree->parent, level, index, base, &at->node, errp))
			return false;
		at->moved = has_condemned_child(tree, &at->node);
		trim(tree, &at->node, index);
	}
	at->open = true;
	return true;
}

static bool store_node(const struct tree_writer *tree, const struct tree_node *node, struct tree_ref *ret,
		       struct err **errp)
{
	AUTO(bytes_release) struct bytes plain = {0};
	return tree_node_encode(node, &plain, errp) &&
	       tree->store(tree->store_arg, node->level, &ret->id, bytes_span(&plain), &ret->at, errp);
}

/*
 * Stores a base node, which no put has touched, again, because its pack is condemned; and what is condemned directly
 * below it.
 */
static bool store_again(struct tree_writer *tree, uint8_t level, uint64_t index, struct tree_ref *ref,
			struct err **errp);

static bool replace_condemned_children(struct tree_writer *tree, struct tree_node *node, uint64_t index,
				       struct err **errp)
{
	enum pack_class cls = node->level == 0 ? PACK_CHUNKS : PACK_META;
	for (unsigned slot = 0; slot < node->n; slot++) {
		struct tree_ref *child = &node->children[slot];
		uint64_t place = index * TREE_FANOUT + slot;
		if (!condemned(tree, cls, child))
			continue;
		if (node->level == 0)
			return err_set(errp, ERR_FAILED,
				       "chunk %" PRIu64
				       " lies in a pack that is being collected, and was not stored again",
				       place);
		if (!store_again(tree, (uint8_t)(node->level - 1), place, child, errp))
			return false;
	}
	return true;
}

static bool store_again(struct tree_writer *tree, uint8_t level, uint64_t index, struct tree_ref *ref,
			struct err **errp)
{
	struct tree_node node;
	return tree_reader_node(tree->parent, level, index, ref, &node, errp) &&
	       replace_condemned_children(tree, &node, index, errp) && store_node(tree, &node, ref, errp);
}

static uint16_t count_children(const struct tree_node *node)
{
	uint16_t n = TREE_FANOUT;
	while (n > 0 && chunk_id_is_zero(&node->children[n - 1].id))
		n--;
	return n;
}

/* What an open node has become: a hole, the base node, or a newly stored one. */
static bool seal_node(struct tree_writer *tree, struct open_node *at, struct tree_ref *ret, struct err **errp)
{
	*ret = (struct tree_ref){0};
	at->node.n = count_children(&at->node);
	if (at->node.n == 0)
		return true;
	if (!replace_condemned_children(tree, &at->node, at->index, errp) ||
	    !tree_node_id(tree->keys, &at->node, &ret->id, errp))
		return false;
	if (!at->moved && chunk_id_equal(&ret->id, &at->base.id) && !condemned(tree, PACK_META, &at->base)) {
		*ret = at->base;
		return true;
	}
	return store_node(tree, &at->node, ret, errp);
}

static bool same_place(const struct locator *a, const struct locator *b)
{
	return a->entry == b->entry && a->seq == b->seq && session_id_equal(&a->session, &b->session);
}

/* Closes the lowest open node, which is not the top, into the one above it. */
static bool close_node(struct tree_writer *tree, uint8_t level, struct err **errp)
{
	struct open_node *at = &tree->path[level], *above = &tree->path[level + 1];
	struct tree_ref sealed;
	if (!seal_node(tree, at, &sealed, errp))
		return false;
	/* Equal content in another place: the base node was condemned, or leads to something that is. */
	if (chunk_id_equal(&sealed.id, &at->base.id) && !same_place(&sealed.at, &at->base.at))
		above->moved = true;
	above->node.children[at->index % TREE_FANOUT] = sealed;
	at->open = false;
	return true;
}

/* Moves the path so that the node of `lowest` that covers the chunk is open, and those above it. */
static bool seek(struct tree_writer *tree, uint8_t lowest, uint64_t chunk, struct err **errp)
{
	for (uint8_t level = 0; level < tree->depth; level++)
		if (tree->path[level].open && tree->path[level].index != tree_index(level, chunk) &&
		    !close_node(tree, level, errp))
			return false;
	struct tree_ref base = tree->base_top;
	for (uint8_t level = tree->depth; level-- > lowest;) {
		struct open_node *at = &tree->path[level];
		if (!at->open && !open_node(tree, level, tree_index(level, chunk), &base, errp))
			return false;
		base = at->node.children[tree_slot(level, chunk)];
	}
	return true;
}

/*
 * The new tree is deeper: nodes above the parent's top are begun here, the lowest with the parent's top as its first
 * child.
 */
static bool grow(struct tree_writer *tree, uint8_t parent_depth, const struct tree_ref *top, struct err **errp)
{
	static const struct tree_ref none;
	for (uint8_t level = tree->depth; level-- > parent_depth;)
		if (!open_node(tree, level, 0, &none, errp))
			return false;
	tree->path[parent_depth].node.children[0] = *top;
	return true;
}

static bool begin(struct tree_writer *tree, struct err **errp)
{
	const struct tree_ref *top = tree_reader_top(tree->parent);
	uint8_t parent_depth = stream_depth(tree_reader_shape(tree->parent));
	if (chunk_id_is_zero(&top->id))
		return true;
	if (tree->depth > parent_depth)
		return grow(tree, parent_depth, top, errp);
	return tree_subtree(tree->parent, (uint8_t)(tree->depth - 1), 0, &tree->base_top, errp);
}

struct tree_writer *tree_writer_new(const struct metadata_keys *keys, const struct stream_shape *shape,
				    struct tree_reader *parent, tree_condemned_function *is_condemned,
				    void *condemned_arg, tree_store_function *store, void *store_arg, struct err **errp)
{
	assert(!parent || tree_reader_shape(parent)->exponent == shape->exponent);
	AUTO(tree_writer_freep) struct tree_writer *tree = calloc(1, sizeof(*tree));
	if (!tree) {
		err_set_no_memory(errp);
		return NULL;
	}
	tree->keys = keys;
	tree->shape = *shape;
	tree->chunks = stream_chunks(shape);
	tree->depth = stream_depth(shape);
	tree->parent = parent;
	tree->is_condemned = is_condemned;
	tree->condemned_arg = condemned_arg;
	tree->store = store;
	tree->store_arg = store_arg;
	if (parent && tree->chunks > 0 && !begin(tree, errp))
		return NULL;
	return STEAL(&tree);
}

void tree_writer_free(struct tree_writer *tree)
{
	free(tree);
}

bool tree_writer_put(struct tree_writer *tree, uint64_t index, const struct tree_ref *chunk, struct err **errp)
{
	assert(index >= tree->next && index < tree->chunks);
	if (!seek(tree, 0, index, errp))
		return false;
	tree->path[0].node.children[tree_slot(0, index)] = *chunk;
	tree->next = index + 1;
	return true;
}

/* The highest level of which one whole child begins at first and ends before end (or behind the stream's end). */
static uint8_t level_of_block(const struct tree_writer *tree, uint64_t first, uint64_t end)
{
	uint8_t level = 0;
	for (uint8_t next = 1; next < tree->depth; next++) {
		uint64_t span = tree_child_span(next);
		bool reaches = end == tree->chunks || end - first >= span;
		if (first % span != 0 || !reaches)
			break;
		level = next;
	}
	return level;
}

bool tree_writer_punch(struct tree_writer *tree, uint64_t first, uint64_t end, struct err **errp)
{
	assert(first >= tree->next && end <= tree->chunks);
	while (first < end) {
		uint8_t level = level_of_block(tree, first, end);
		if (!seek(tree, level, first, errp))
			return false;
		/* Nodes still open below cover this block only, and nothing was put there. */
		for (uint8_t below = 0; below < level; below++)
			tree->path[below].open = false;
		tree->path[level].node.children[tree_slot(level, first)] = (struct tree_ref){0};
		uint64_t span = tree_child_span(level);
		first = end - first > span ? first + span : end;
	}
	if (end > tree->next)
		tree->next = end;
	return true;
}

static bool parent_is_longer(const struct tree_writer *tree)
{
	return tree->parent && stream_chunks(tree_reader_shape(tree->parent)) > tree->chunks;
}

bool tree_writer_finish(struct tree_writer *tree, struct tree_ref *ret_top, struct err **errp)
{
	*ret_top = (struct tree_ref){0};
	if (tree->chunks == 0)
		return true;
	/* Opening the path to the last chunk takes away what the parent has behind it. */
	if (parent_is_longer(tree) && !seek(tree, 0, tree->chunks - 1, errp))
		return false;
	uint8_t top = (uint8_t)(tree->depth - 1);
	for (uint8_t level = 0; level < top; level++)
		if (tree->path[level].open && !close_node(tree, level, errp))
			return false;
	if (tree->path[top].open)
		return seal_node(tree, &tree->path[top], ret_top, errp);
	*ret_top = tree->base_top;
	return !condemned(tree, PACK_META, ret_top) || store_again(tree, top, 0, ret_top, errp);
}
