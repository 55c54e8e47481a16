/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A subtree that leads to nothing damaged is marked, and never walked again. One that does is walked for each point
 * that has it, until all damage that the point's pack set names was found in the stream, or so much of it that more is
 * of no use. So damage in a few places costs a few nodes a point, and a disk that died costs no more; NODES_MAX bounds
 * what is left.
 */
#include "storage/judge.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/commit.h"
#include "storage/judge_pack.h"
#include "storage/node_marks.h"
#include "storage/tree_internal.h"

#define NODES_MAX (1u << 19) /* that are read for all points: some GiB */
#define FOUND_MAX 64u	     /* packs in one stream */

struct judge {
	struct judge_options options;
	struct node_marks *sound;
	struct judge_packs *packs;
	uint32_t nodes_left;
};

/* One point. */
struct hearing {
	struct judge *judge;
	const struct stream *stream;
	struct pack_set wanted; /* damaged packs that the point's set names */
	uint64_t n_wanted;
	struct pack_set found; /* in this stream */
	uint64_t n_found;
	struct pack_set found_anywhere;
	bool cut; /* some stream was not walked to its end */
	enum judgement worst;
	judge_found_function *each;
	void *arg;
};

static void hearing_release(struct hearing *hearing)
{
	pack_set_release(&hearing->wanted);
	pack_set_release(&hearing->found);
	pack_set_release(&hearing->found_anywhere);
}

struct judge *judge_new(const struct judge_options *options, struct err **errp)
{
	AUTO(judge_freep) struct judge *judge = calloc(1, sizeof(*judge));

	if (!judge) {
		err_set_no_memory(errp);
		return NULL;
	}
	judge->options = *options;
	judge->nodes_left = NODES_MAX;
	judge->sound = node_marks_new(errp);
	judge->packs = judge->sound ? judge_packs_new(options, errp) : NULL;
	return judge->packs ? STEAL(&judge) : NULL;
}

void judge_free(struct judge *judge)
{
	if (!judge)
		return;
	judge_packs_free(judge->packs);
	node_marks_free(judge->sound);
	free(judge);
}

static bool take_found(struct hearing *hearing, enum pack_class cls, const struct locator *at, bool certain,
		       struct err **errp)
{
	enum judgement judgement = certain ? POINT_HURT : POINT_MAY_BE_HURT;

	if (hearing->worst < judgement)
		hearing->worst = judgement;
	if (pack_set_has(&hearing->found, &at->session, at->seq))
		return true;
	hearing->n_found += pack_set_has(&hearing->wanted, &at->session, at->seq);
	return pack_set_add(&hearing->found, &at->session, at->seq, errp) &&
	       pack_set_add(&hearing->found_anywhere, &at->session, at->seq, errp) &&
	       (!hearing->each || hearing->each(hearing->arg, hearing->stream, cls, at, certain, errp));
}

/* Of this stream nothing more is to be found out. */
static bool is_over(struct hearing *hearing)
{
	bool all = hearing->n_found >= hearing->n_wanted;

	if (all || (hearing->n_found < FOUND_MAX && hearing->judge->nodes_left > 0))
		return all;
	hearing->cut = true;
	return true;
}

static bool hear_chunk(struct hearing *hearing, const struct tree_ref *chunk, uint32_t plain_len, bool *ret_sound,
		       struct err **errp)
{
	const struct locator *at = &chunk->at;
	enum judgement judgement;

	if (!pack_set_has(hearing->judge->options.damaged, &at->session, at->seq))
		return true;
	if (!judge_packs_chunk(hearing->judge->packs, chunk, plain_len, &judgement, errp))
		return false;
	if (judgement == POINT_WHOLE)
		return true;
	*ret_sound = false;
	return take_found(hearing, PACK_CHUNKS, at, judgement == POINT_HURT, errp);
}

/* What a node says of itself is only worth something where it stands. */
static bool fits(const struct hearing *hearing, const struct tree_node *node, uint8_t level, uint64_t first)
{
	return node->level == level &&
	       first + (node->n - 1u) * tree_child_span(level) < stream_chunks(&hearing->stream->shape);
}

/* A node whose pack is damaged may be intact all the same: it is authenticated when it is read. */
static bool read_node(struct hearing *hearing, uint8_t level, uint64_t first, const struct tree_ref *ref,
		      struct tree_node *ret, bool *ret_read, struct err **errp)
{
	hearing->judge->nodes_left--;
	*ret_read = pack_reader_node(hearing->judge->options.reader, &ref->id, &ref->at, ret, errp);
	if (!*ret_read && err_is_of_run(err_code(*errp)))
		return false;
	err_clear(errp);
	*ret_read = *ret_read && fits(hearing, ret, level, first);
	return *ret_read || take_found(hearing, PACK_META, &ref->at, true, errp);
}

static bool hear_node(struct hearing *hearing, uint8_t level, uint64_t first, const struct tree_ref *ref,
		      bool *ret_sound, struct err **errp);

static bool hear_children(struct hearing *hearing, const struct tree_node *node, uint64_t first, bool *ret_sound,
			  struct err **errp)
{
	for (uint16_t i = 0; i < node->n; i++) {
		const struct tree_ref *child = &node->children[i];
		uint64_t at = first + i * tree_child_span(node->level);
		if (chunk_id_is_zero(&child->id))
			continue;
		bool ok = node->level == 0 ? hear_chunk(hearing, child, stream_chunk_len(&hearing->stream->shape, at),
							ret_sound, errp)
					   : hear_node(hearing, (uint8_t)(node->level - 1), at, child, ret_sound, errp);
		if (!ok)
			return false;
		if (!*ret_sound && is_over(hearing))
			return true;
	}
	return true;
}

/* *ret_sound becomes false where something below is damaged, or was not looked at. */
static bool hear_node(struct hearing *hearing, uint8_t level, uint64_t first, const struct tree_ref *ref,
		      bool *ret_sound, struct err **errp)
{
	struct judge *judge = hearing->judge;
	struct tree_node node;
	bool sound = true, was_read = false;

	if (node_marks_has(judge->sound, &ref->at))
		return true;
	if (judge->options.cancel && !cancel_check(judge->options.cancel, errp))
		return false;
	if (!is_over(hearing) && !read_node(hearing, level, first, ref, &node, &was_read, errp))
		return false;
	if (was_read && !hear_children(hearing, &node, first, &sound, errp))
		return false;
	if (was_read && sound)
		return node_marks_add(judge->sound, &ref->at, errp);
	*ret_sound = false;
	return true;
}

static bool hear_stream(struct hearing *hearing, const struct stream *stream, struct err **errp)
{
	bool sound = true;

	if (chunk_id_is_zero(&stream->top.id))
		return true;
	pack_set_release(&hearing->found);
	hearing->n_found = 0;
	hearing->stream = stream;
	return hear_node(hearing, (uint8_t)(stream_depth(&stream->shape) - 1), 0, &stream->top, &sound, errp);
}

/* The pack is damaged, and the point's set names it. */
static bool want(void *arg, const struct session_id *session, uint32_t seq, struct err **errp)
{
	struct hearing *hearing = arg;

	if (!pack_set_has(hearing->judge->options.damaged, session, seq))
		return true;
	hearing->n_wanted++;
	return pack_set_add(&hearing->wanted, session, seq, errp);
}

/* Of what was not found in any stream, where one was not walked to its end, nobody knows. */
static bool take_undecided(void *arg, const struct session_id *session, uint32_t seq, struct err **errp)
{
	struct hearing *hearing = arg;
	struct locator at = {.session = *session, .seq = seq};

	if (pack_set_has(&hearing->found_anywhere, session, seq))
		return true;
	if (hearing->worst < POINT_MAY_BE_HURT)
		hearing->worst = POINT_MAY_BE_HURT;
	return !hearing->each || hearing->each(hearing->arg, NULL, PACK_CHUNKS, &at, false, errp);
}

bool judge_point(struct judge *judge, const struct commit *commit, enum judgement *ret, judge_found_function *found,
		 void *arg, struct err **errp)
{
	AUTO(hearing_release) struct hearing hearing = {.judge = judge, .each = found, .arg = arg};

	if (!pack_set_each(&commit->packs, want, &hearing, errp))
		return false;
	for (size_t i = 0; hearing.n_wanted > 0 && i < commit->point.n_streams; i++)
		if (!hear_stream(&hearing, &commit->point.streams[i], errp))
			return false;
	if (hearing.cut && !pack_set_each(&hearing.wanted, take_undecided, &hearing, errp))
		return false;
	*ret = hearing.worst;
	return true;
}
