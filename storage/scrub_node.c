/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One node of a tree: opened with K_meta; of the chunks below it is checked that the footers of their packs have their
 * ids and lengths at their entries.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/scrub_state.h"
#include "storage/tree_internal.h"

static bool read_node(struct scrub *scrub, const struct scrub_node *at, struct tree_node *ret, struct err **errp)
{
	if (!pack_reader_node(scrub->reader, &at->ref.id, &at->ref.at, ret, errp))
		return false;
	if (ret->level != at->level)
		return err_set(errp, ERR_CORRUPT, "a node is of level %u instead of %u", ret->level, at->level);
	uint64_t last = at->first + (ret->n - 1u) * tree_child_span(at->level);
	return last < stream_chunks(&at->shape) || err_set(errp, ERR_CORRUPT, "a tree reaches beyond its stream");
}

static int compare_packs(const void *left, const void *right)
{
	const struct locator *a = &((const struct chunk_ref *)left)->at, *b = &((const struct chunk_ref *)right)->at;
	int order = session_id_compare(&a->session, &b->session);

	return order != 0 ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

/* Of one pack. What is in the report already needs no second look. */
static bool check_some(struct scrub *scrub, const struct chunk_ref *refs, size_t n, struct err **errp)
{
	return scrub_is_named(scrub, &refs->at) || pack_reader_has(scrub->reader, refs, n, errp) ||
	       scrub_take_pack_error(scrub, SCRUB_DIGESTS, PACK_CHUNKS, &refs->at, errp);
}

static bool check_chunks(struct scrub *scrub, const struct scrub_node *at, const struct tree_node *node,
			 struct err **errp)
{
	struct chunk_ref refs[TREE_FANOUT];
	size_t n = 0, same;

	for (uint16_t i = 0; i < node->n; i++)
		if (!chunk_id_is_zero(&node->children[i].id))
			refs[n++] = (struct chunk_ref){.id = node->children[i].id,
						       .at = node->children[i].at,
						       .plain_len = stream_chunk_len(&at->shape, at->first + i)};
	qsort(refs, n, sizeof(refs[0]), compare_packs);
	for (size_t done = 0; done < n; done += same) {
		for (same = 1; done + same < n && compare_packs(&refs[done], &refs[done + same]) == 0;)
			same++;
		if (!check_some(scrub, refs + done, same, errp))
			return false;
	}
	return true;
}

static size_t give_below(const struct scrub_node *at, const struct tree_node *node,
			 struct scrub_node below[TREE_FANOUT])
{
	size_t n = 0;

	for (uint16_t i = 0; i < node->n; i++)
		if (!chunk_id_is_zero(&node->children[i].id))
			below[n++] = (struct scrub_node){.shape = at->shape,
							 .first = at->first + i * tree_child_span(at->level),
							 .level = (uint8_t)(at->level - 1),
							 .ref = node->children[i]};
	return n;
}

bool scrub_node_check(struct scrub *scrub, const struct scrub_node *at, struct scrub_node below[TREE_FANOUT],
		      size_t *ret_n, struct err **errp)
{
	struct tree_node node;

	*ret_n = 0;
	if (!read_node(scrub, at, &node, errp))
		return scrub_take_pack_error(scrub, SCRUB_DIGESTS, PACK_META, &at->ref.at, errp);
	if (at->level == 0)
		return check_chunks(scrub, at, &node, errp);
	*ret_n = give_below(at, &node, below);
	return true;
}
