/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/tree_diff.h"

#include <stdlib.h>

#include "base/err.h"
#include "storage/tree_internal.h"

#define WINDOW_MIN (UINT64_C(1) << 32) /* a multiple of all sizes of chunks */
#define WINDOWS_MAX 65536

/* The range that is growing; none while it is empty. Ranges come ordered by their offsets. */
struct range {
	uint64_t offset, end;
};

struct diff {
	struct tree_reader *from, *to;
	uint64_t size; /* of the longer stream */
	struct range range;
	const struct cancel *cancel;
	tree_diff_function *each;
	void *arg;
};

static bool go_on(const struct diff *diff, struct err **errp)
{
	return !diff->cancel || cancel_check(diff->cancel, errp);
}

static bool end_range(struct diff *diff, struct err **errp)
{
	struct range range = diff->range;
	diff->range = (struct range){0};
	return range.end == 0 || diff->each(diff->arg, range.offset, range.end - range.offset, errp);
}

static bool add_range(struct diff *diff, struct range range, struct err **errp)
{
	if (range.offset > diff->range.end || diff->range.end == 0) {
		if (!end_range(diff, errp))
			return false;
		diff->range = range;
	}
	if (range.end > diff->range.end)
		diff->range.end = range.end;
	return true;
}

static struct range chunk_range(uint64_t index, uint8_t exponent, uint64_t size)
{
	uint64_t end = (index + 1) << exponent;
	return (struct range){.offset = index << exponent, .end = end < size ? end : size};
}

/* ---- ids that can be compared ---------------------------------------------------------------------------------------
 */

/*
 * The node that ref stands for. A tree that is lower than the other one stands as the first child of nodes that it does
 * not have; ids name their level, so that such a child equals none of another level.
 */
static bool open_node(struct tree_reader *tree, uint8_t level, uint64_t index, const struct tree_ref *ref,
		      struct tree_node *ret, struct err **errp)
{
	if (!chunk_id_is_zero(&ref->id) && level < stream_depth(tree_reader_shape(tree)))
		return tree_reader_node(tree, level, index, ref, ret, errp);
	*ret = (struct tree_node){.level = level, .n = 1, .children = {*ref}};
	return true;
}

static bool compare(struct diff *diff, uint8_t level, uint64_t index, const struct tree_ref *from,
		    const struct tree_ref *to, struct err **errp)
{
	struct tree_node a, b;
	if (!go_on(diff, errp) || !open_node(diff->from, level, index, from, &a, errp) ||
	    !open_node(diff->to, level, index, to, &b, errp))
		return false;
	uint8_t exponent = tree_reader_shape(diff->from)->exponent;
	for (unsigned slot = 0; slot < TREE_FANOUT; slot++) {
		const struct tree_ref *left = &a.children[slot], *right = &b.children[slot];
		uint64_t child = index * TREE_FANOUT + slot;
		if (chunk_id_equal(&left->id, &right->id))
			continue;
		bool ok = level == 0 ? add_range(diff, chunk_range(child, exponent, diff->size), errp)
				     : compare(diff, (uint8_t)(level - 1), child, left, right, errp);
		if (!ok)
			return false;
	}
	return true;
}

static bool compare_ids(struct diff *diff, struct err **errp)
{
	const struct tree_ref *from = tree_reader_top(diff->from), *to = tree_reader_top(diff->to);
	uint8_t depth = stream_depth(tree_reader_shape(diff->from));
	if (stream_depth(tree_reader_shape(diff->to)) > depth)
		depth = stream_depth(tree_reader_shape(diff->to));
	return chunk_id_equal(&from->id, &to->id) || compare(diff, (uint8_t)(depth - 1), 0, from, to, errp);
}

/* ---- ids that cannot ------------------------------------------------------------------------------------------------
 */

/* The data of one stream, in ranges. */
struct extents {
	struct range *items;
	size_t n, room;
};

static void extents_release(struct extents *extents)
{
	free(extents->items);
}

static bool note_extent(void *arg, uint64_t offset, uint64_t len, struct err **errp)
{
	struct extents *extents = arg;
	if (extents->n == extents->room) {
		size_t room = extents->room ? 2 * extents->room : 64;
		struct range *items = reallocarray(extents->items, room, sizeof(items[0]));
		if (!items)
			return err_set_no_memory(errp);
		extents->items = items;
		extents->room = room;
	}
	extents->items[extents->n++] = (struct range){.offset = offset, .end = offset + len};
	return true;
}

static bool add_chunk(void *arg, uint64_t index, const struct tree_ref *chunk, struct err **errp)
{
	(void)chunk;
	struct diff *diff = arg;
	const struct stream_shape *shape = tree_reader_shape(diff->from);
	return go_on(diff, errp) && add_range(diff, chunk_range(index, shape->exponent, shape->size), errp);
}

/* The data of diff->from in a window, each of which goes to each(). */
static bool give_data(struct diff *diff, struct range window, struct err **errp)
{
	const struct stream_shape *shape = tree_reader_shape(diff->from);
	uint64_t chunks = stream_chunks(shape), first = window.offset >> shape->exponent;
	uint64_t end = window.end >= shape->size ? chunks : window.end >> shape->exponent;
	return first >= end || (tree_each(diff->from, first, end, add_chunk, diff, errp) && end_range(diff, errp));
}

/* Extents of the other stream, which go between those that come. */
struct merge {
	struct diff *diff;
	const struct extents *others;
	size_t next;
};

/* Adds the others that begin up to here. */
static bool add_others(struct merge *merge, uint64_t offset, struct err **errp)
{
	for (; merge->next < merge->others->n && merge->others->items[merge->next].offset <= offset; merge->next++)
		if (!add_range(merge->diff, merge->others->items[merge->next], errp))
			return false;
	return true;
}

static bool merge_extent(void *arg, uint64_t offset, uint64_t len, struct err **errp)
{
	struct merge *merge = arg;
	return add_others(merge, offset, errp) &&
	       add_range(merge->diff, (struct range){.offset = offset, .end = offset + len}, errp);
}

static bool unite_window(struct diff *diff, struct range window, struct err **errp)
{
	AUTO(extents_release) struct extents others = {0};
	struct merge merge = {.diff = diff, .others = &others};
	struct diff from = {.from = diff->from, .cancel = diff->cancel, .each = note_extent, .arg = &others};
	struct diff to = {.from = diff->to, .cancel = diff->cancel, .each = merge_extent, .arg = &merge};
	return go_on(diff, errp) && give_data(&from, window, errp) && give_data(&to, window, errp) &&
	       add_others(&merge, UINT64_MAX, errp);
}

/* Window by window, as the extents of one are kept. */
static bool unite_data(struct diff *diff, struct err **errp)
{
	uint64_t window = WINDOW_MIN;
	while (diff->size / window > WINDOWS_MAX)
		window *= 2;
	for (uint64_t at = 0; at < diff->size;) {
		uint64_t end = diff->size - at > window ? at + window : diff->size;
		if (!unite_window(diff, (struct range){.offset = at, .end = end}, errp))
			return false;
		at = end;
	}
	return true;
}

bool tree_diff(struct tree_reader *from, struct tree_reader *to, const struct tree_diff_options *options,
	       tree_diff_function *each, void *arg, struct err **errp)
{
	const struct stream_shape *a = tree_reader_shape(from), *b = tree_reader_shape(to);
	struct diff diff = {.from = from,
			    .to = to,
			    .size = a->size > b->size ? a->size : b->size,
			    .cancel = options->cancel,
			    .each = each,
			    .arg = arg};
	bool comparable = options->same_keys && a->exponent == b->exponent;
	return (comparable ? compare_ids(&diff, errp) : unite_data(&diff, errp)) && end_range(&diff, errp);
}
