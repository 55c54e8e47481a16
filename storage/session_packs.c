/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which packs a commit names. An increment takes over its parent's set: that costs no reading, but also names what the
 * increment made unreachable, about 22 bytes for every session that ever was, in every commit that follows. So now and
 * then the trees of the new point are walked, and the set is what they need. How often follows from what a walk costs:
 * it comes to at most WALK_NODES nodes a backup. Sessions are chosen by their numbers, evenly spread, so nothing needs
 * to be remembered.
 */
#include "base/err.h"
#include "base/log.h"
#include "storage/commit.h"
#include "storage/session_state.h"

#define FEW_SESSIONS 64 /* a set so small is not worth a walk */
#define WALK_NODES 1024u
#define WALK_PERIOD_MIN 16u
#define LARGE_SET (COMMIT_MAX_BYTES / 2)

struct parent_check {
	struct session *session;
	struct pack_set *lost; /* packs that may not be relied on; NULL: only `whole` is wanted */
	bool whole;
};

/* A pack set does not say the class: a name is either in p/ or in m/. */
static bool check_parent_pack(void *arg, const struct session_id *of, uint32_t seq, struct err **errp)
{
	struct parent_check *check = arg;

	if (!session_is_condemned(check->session, PACK_CHUNKS, of, seq) ||
	    !session_is_condemned(check->session, PACK_META, of, seq))
		return true;
	check->whole = false;
	return !check->lost || pack_set_add(check->lost, of, seq, errp);
}

bool session_parent_is_whole(struct session *session, const struct point *parent, bool *ret, struct err **errp)
{
	AUTO(commit_release) struct commit commit = {0};
	struct parent_check check = {.session = session, .whole = true};

	if (!commit_load(session->repository, &parent->session, &commit, errp) ||
	    !pack_set_each(&commit.packs, check_parent_pack, &check, errp))
		return false;
	*ret = check.whole;
	return true;
}

/* What lies in a pack that is not to be relied on was stored again, so the new point does not need it. */
static bool add_parent_packs(struct session *session, const struct point *parent, struct pack_set *packs,
			     struct err **errp)
{
	AUTO(commit_release) struct commit commit = {0};
	AUTO(pack_set_release) struct pack_set lost = {0};
	struct parent_check check = {.session = session, .lost = &lost, .whole = true};

	if (!commit_load(session->repository, &parent->session, &commit, errp) ||
	    !pack_set_each(&commit.packs, check_parent_pack, &check, errp))
		return false;
	pack_set_subtract(&commit.packs, &lost);
	return pack_set_merge(packs, &commit.packs, errp);
}

static uint64_t count_nodes(const struct point *point)
{
	uint64_t nodes = 0;

	for (size_t i = 0; i < point->n_streams; i++)
		nodes += stream_chunks(&point->streams[i].shape) / (TREE_FANOUT - 1) + 1;
	return nodes;
}

/* One in `period`, and never long without one: multiples of the golden section spread most evenly. */
static bool walk_is_due(const struct session *session, const struct point *point, const struct pack_set *packs)
{
	uint64_t wanted = count_nodes(point) / WALK_NODES;
	uint32_t period = wanted > UINT32_MAX ? UINT32_MAX : (uint32_t)wanted;
	uint32_t place = (uint32_t)((session->id.number * UINT64_C(0x9e3779b97f4a7c15)) >> 32);

	if (packs->n <= FEW_SESSIONS)
		return false;
	if (period < WALK_PERIOD_MIN)
		period = WALK_PERIOD_MIN;
	return place < UINT32_MAX / period || pack_set_encoded_size(packs) > LARGE_SET;
}

static bool walk_node(struct session *session, uint8_t level, const struct tree_ref *ref, struct pack_set *packs,
		      struct err **errp)
{
	struct tree_node node;

	if (session->cancel && !cancel_check(session->cancel, errp))
		return false;
	if (!pack_set_add(packs, &ref->at.session, ref->at.seq, errp) ||
	    !pack_reader_node(session->reader, &ref->id, &ref->at, &node, errp))
		return false;
	if (node.level != level)
		return err_set(errp, ERR_CORRUPT, "a node is of level %u instead of %u", node.level, level);
	for (unsigned slot = 0; slot < node.n; slot++) {
		const struct tree_ref *child = &node.children[slot];
		if (chunk_id_is_zero(&child->id))
			continue;
		if (!(level > 0 ? walk_node(session, (uint8_t)(level - 1), child, packs, errp)
				: pack_set_add(packs, &child->at.session, child->at.seq, errp)))
			return false;
	}
	return true;
}

static bool walk_streams(struct session *session, const struct point *point, struct pack_set *packs, struct err **errp)
{
	for (size_t i = 0; i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];
		if (!chunk_id_is_zero(&stream->top.id) &&
		    !walk_node(session, (uint8_t)(stream_depth(&stream->shape) - 1), &stream->top, packs, errp))
			return false;
	}
	return true;
}

/* Puts what the trees need in the place of *packs. Where a tree cannot be read, what was taken over stays. */
static bool make_exact(struct session *session, const struct point *point, struct pack_set *packs, struct err **errp)
{
	AUTO(pack_set_release) struct pack_set exact = {0};
	struct pack_set before = *packs;

	if (!walk_streams(session, point, &exact, errp)) {
		if (err_is_of_run(err_code(*errp)))
			return false;
		log_debug("what the point needs is taken over from its parent: %s", err_message(*errp));
		err_clear(errp);
		return true;
	}
	*packs = exact;
	exact = before;
	return true;
}

bool session_gather_packs(struct session *session, const struct point *point, const struct point *parent,
			  struct pack_set *packs, struct err **errp)
{
	if (!pack_set_merge(packs, &session->own, errp) || !pack_set_merge(packs, &session->used, errp))
		return false;
	if (!parent)
		return true;
	return add_parent_packs(session, parent, packs, errp) &&
	       (!walk_is_due(session, point, packs) || make_exact(session, point, packs, errp));
}
