/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of a tree may not be taken over. Every node is looked at. A chunk in a condemned pack is given; a condemned node
 * is stored again by whoever puts a chunk below it, so one chunk is enough for it, and none when one was given below it
 * already.
 */
#include <stdlib.h>

#include "base/err.h"
#include "storage/tree_internal.h"

struct search {
	struct tree_reader *tree;
	tree_condemned_function *is_condemned;
	void *condemned_arg;
	tree_range_function *each;
	void *arg;
	uint64_t first, end; /* found and not given yet: neighbours grow together */
	uint64_t found;	     /* how many chunks */
};

static bool give(struct search *search, struct err **errp)
{
	bool ok = search->first == search->end || search->each(search->arg, search->first, search->end, errp);
	search->first = search->end = 0;
	return ok;
}

static bool add(struct search *search, uint64_t chunk, struct err **errp)
{
	search->found++;
	if (search->end == chunk && search->first < search->end) {
		search->end++;
		return true;
	}
	if (!give(search, errp))
		return false;
	search->first = chunk;
	search->end = chunk + 1;
	return true;
}

static bool condemned(const struct search *search, enum pack_class cls, const struct tree_ref *ref)
{
	return search->is_condemned(search->condemned_arg, cls, &ref->at.session, ref->at.seq);
}

static bool search_node(struct search *search, uint8_t level, uint64_t index, const struct tree_ref *ref,
			struct err **errp);

static bool search_child(struct search *search, uint8_t level, uint64_t place, const struct tree_ref *child,
			 struct err **errp)
{
	if (level > 0)
		return search_node(search, (uint8_t)(level - 1), place, child, errp);
	return !condemned(search, PACK_CHUNKS, child) || add(search, place, errp);
}

static bool search_node(struct search *search, uint8_t level, uint64_t index, const struct tree_ref *ref,
			struct err **errp)
{
	struct tree_node node;
	if (!tree_reader_node(search->tree, level, index, ref, &node, errp))
		return false;
	uint64_t found = search->found;
	for (unsigned slot = 0; slot < node.n; slot++) {
		const struct tree_ref *child = &node.children[slot];
		if (!chunk_id_is_zero(&child->id) &&
		    !search_child(search, level, index * TREE_FANOUT + slot, child, errp))
			return false;
	}
	if (found != search->found || !condemned(search, PACK_META, ref))
		return true;
	return add(search, tree_child_first(level, index, node.n - 1u), errp);
}

bool tree_condemned(struct tree_reader *tree, tree_condemned_function *is_condemned, void *condemned_arg,
		    tree_range_function *each, void *arg, struct err **errp)
{
	struct search search = {
		.tree = tree, .is_condemned = is_condemned, .condemned_arg = condemned_arg, .each = each, .arg = arg};
	const struct tree_ref *top = tree_reader_top(tree);
	if (chunk_id_is_zero(&top->id))
		return true;
	return search_node(&search, (uint8_t)(stream_depth(tree_reader_shape(tree)) - 1), 0, top, errp) &&
	       give(&search, errp);
}
