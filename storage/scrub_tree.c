/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the trees of all points. A node that was walked is marked by its place, so a subtree that points share is
 * walked once. Nodes are opened with K_meta; of a chunk it is checked that its pack's footer has its id and length at
 * its entry.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/scrub_state.h"
#include "storage/tree.h"

#define NODE_FOOTER_CACHE (32u << 20)
#define FOOTERS 16 /* of chunk packs, less than a MiB each */

struct walked { /* nodes of one pack */
	struct session_id session;
	uint32_t seq;
	uint32_t n_bytes; /* as many as the nodes seen so far need: an increment's pack has few */
	uint8_t *bits;
};

struct kept_footer {
	struct pack_footer footer;
	uint64_t used;
	bool sound;
};

struct scrub_trees {
	struct scrub *scrub;
	struct pack_reader *reader;
	struct walked *walked; /* ascending */
	size_t n_walked;
	struct kept_footer footers[FOOTERS];
	uint64_t clock;
};

struct scrub_trees *scrub_trees_new(struct scrub *scrub, struct err **errp)
{
	struct scrub_trees *trees = calloc(1, sizeof(*trees));

	if (!trees) {
		err_set_no_memory(errp);
		return NULL;
	}
	trees->scrub = scrub;
	trees->reader = pack_reader_new(scrub->repository, NODE_FOOTER_CACHE, errp);
	if (!trees->reader) {
		free(trees);
		return NULL;
	}
	return trees;
}

void scrub_trees_free(struct scrub_trees *trees)
{
	if (!trees)
		return;
	for (size_t i = 0; i < trees->n_walked; i++)
		free(trees->walked[i].bits);
	for (size_t i = 0; i < FOOTERS; i++)
		pack_footer_release(&trees->footers[i].footer);
	free(trees->walked);
	pack_reader_free(trees->reader);
	free(trees);
}

static int compare(const struct walked *walked, const struct locator *at)
{
	int order = session_id_compare(&walked->session, &at->session);

	return order != 0 ? order : (walked->seq > at->seq) - (walked->seq < at->seq);
}

static struct walked *insert(struct scrub_trees *trees, size_t position, const struct locator *at, struct err **errp)
{
	struct walked *walked = reallocarray(trees->walked, trees->n_walked + 1, sizeof(*walked));

	if (!walked) {
		err_set_no_memory(errp);
		return NULL;
	}
	trees->walked = walked;
	memmove(&walked[position + 1], &walked[position], (trees->n_walked - position) * sizeof(*walked));
	walked[position] = (struct walked){.session = at->session, .seq = at->seq};
	trees->n_walked++;
	return &walked[position];
}

static bool make_bit(struct walked *walked, uint16_t entry, struct err **errp)
{
	uint32_t n_bytes = entry / 8u + 1;

	if (n_bytes <= walked->n_bytes)
		return true;
	n_bytes += n_bytes / 2;
	uint8_t *bits = realloc(walked->bits, n_bytes);
	if (!bits)
		return err_set_no_memory(errp);
	memset(bits + walked->n_bytes, 0, n_bytes - walked->n_bytes);
	walked->bits = bits;
	walked->n_bytes = n_bytes;
	return true;
}

/* Marks a node; *ret says whether it was marked before. */
static bool mark(struct scrub_trees *trees, const struct locator *at, bool *ret, struct err **errp)
{
	size_t low = 0, high = trees->n_walked;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&trees->walked[middle], at) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < trees->n_walked && compare(&trees->walked[low], at) == 0;
	struct walked *walked = found ? &trees->walked[low] : insert(trees, low, at, errp);
	if (!walked || !make_bit(walked, at->entry, errp))
		return false;
	assert(walked->bits);
	uint8_t bit = (uint8_t)(1u << at->entry % 8);
	*ret = (walked->bits[at->entry / 8] & bit) != 0;
	walked->bits[at->entry / 8] |= bit;
	return true;
}

static bool take_damage(struct scrub_trees *trees, enum pack_class cls, const struct locator *at, struct err **errp)
{
	struct scrub_cause cause = {.session = at->session, .seq = at->seq};
	char name[OBJECT_NAME_SIZE];

	return scrub_take_error(trees->scrub, &cause, object_name_pack(cls, &at->session, at->seq, name), errp);
}

static bool fetch(struct scrub_trees *trees, struct kept_footer *kept, const struct locator *at, struct err **errp)
{
	pack_footer_release(&kept->footer);
	*kept = (struct kept_footer){0};
	kept->sound =
		pack_footer_fetch(trees->scrub->repository, PACK_CHUNKS, &at->session, at->seq, &kept->footer, errp);
	if (!kept->sound && !take_damage(trees, PACK_CHUNKS, at, errp))
		return false;
	kept->footer.session = at->session;
	kept->footer.seq = at->seq;
	return true;
}

/* Replaces the one that was not used for longest. */
static struct kept_footer *footer_of(struct scrub_trees *trees, const struct locator *at, struct err **errp)
{
	struct kept_footer *oldest = &trees->footers[0];

	for (size_t i = 0; i < FOOTERS; i++) {
		struct kept_footer *kept = &trees->footers[i];
		if (kept->footer.seq == at->seq && session_id_equal(&kept->footer.session, &at->session)) {
			kept->used = ++trees->clock;
			return kept;
		}
		if (kept->used < oldest->used)
			oldest = kept;
	}
	if (!fetch(trees, oldest, at, errp))
		return NULL;
	oldest->used = ++trees->clock;
	return oldest;
}

static bool check_chunk(struct scrub_trees *trees, const struct tree_ref *chunk, uint32_t plain_len, struct err **errp)
{
	const struct kept_footer *kept = footer_of(trees, &chunk->at, errp);

	if (!kept)
		return false;
	if (!kept->sound)
		return true;
	const struct pack_footer *footer = &kept->footer;
	if (chunk->at.entry < footer->n_entries && chunk_id_equal(&footer->entries[chunk->at.entry].id, &chunk->id) &&
	    footer->entries[chunk->at.entry].plain_len == plain_len)
		return true;
	err_set(errp, ERR_CORRUPT, "entry %u is not the chunk that a tree looks for there", chunk->at.entry);
	return take_damage(trees, PACK_CHUNKS, &chunk->at, errp);
}

/* Chunks below one child of a node of this level. */
static uint64_t reach(uint8_t level)
{
	return UINT64_C(1) << 7 * level;
}

static bool read_node(struct scrub_trees *trees, uint8_t level, const struct tree_ref *ref, struct tree_node *ret,
		      struct err **errp)
{
	if (!pack_reader_node(trees->reader, &ref->id, &ref->at, ret, errp))
		return false;
	return ret->level == level ||
	       err_set(errp, ERR_CORRUPT, "a node is of level %u instead of %u", ret->level, level);
}

static bool walk(struct scrub_trees *trees, const struct stream_shape *shape, uint8_t level, uint64_t first,
		 const struct tree_ref *ref, struct err **errp);

static bool walk_child(struct scrub_trees *trees, const struct stream_shape *shape, uint8_t level, uint64_t first,
		       const struct tree_ref *child, struct err **errp)
{
	if (chunk_id_is_zero(&child->id))
		return true;
	if (first >= stream_chunks(shape))
		return err_set(errp, ERR_CORRUPT, "a tree reaches beyond its stream");
	if (level == 0)
		return check_chunk(trees, child, stream_chunk_len(shape, first), errp);
	return walk(trees, shape, (uint8_t)(level - 1), first, child, errp);
}

static bool walk(struct scrub_trees *trees, const struct stream_shape *shape, uint8_t level, uint64_t first,
		 const struct tree_ref *ref, struct err **errp)
{
	AUTO(freep) struct tree_node *node = malloc(sizeof(*node));
	bool known;

	if (!node)
		return err_set_no_memory(errp);
	if (!scrub_go_on(trees->scrub, errp) || !mark(trees, &ref->at, &known, errp))
		return false;
	if (known)
		return true;
	if (!read_node(trees, level, ref, node, errp))
		return take_damage(trees, PACK_META, &ref->at, errp);
	for (uint16_t i = 0; i < node->n; i++)
		if (!walk_child(trees, shape, level, first + i * reach(level), &node->children[i], errp))
			return take_damage(trees, PACK_META, &ref->at, errp);
	return true;
}

bool scrub_tree(struct scrub_trees *trees, const struct stream *stream, struct err **errp)
{
	if (chunk_id_is_zero(&stream->top.id))
		return true;
	return walk(trees, &stream->shape, (uint8_t)(stream_depth(&stream->shape) - 1), 0, &stream->top, errp);
}
