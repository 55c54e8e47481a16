/* SPDX-License-Identifier: Apache-2.0 */
/* The plaintext of a placement, see docs/format.md, Commit. */
#include <stdlib.h>

#include "base/err.h"
#include "storage/commit_parts.h"
#include "storage/format_parts.h"

static void encode_top(const struct tree_ref *top, struct bytes *out)
{
	if (chunk_id_is_zero(&top->id)) {
		bytes_extend(out, SESSION_SIZE + 4 + 2);
		return;
	}
	format_put_session(out, &top->at.session);
	bytes_u32(out, top->at.seq);
	bytes_u16(out, top->at.entry);
}

bool placement_encode(const struct commit *commit, struct bytes *ret, struct err **errp)
{
	if (commit->n_lists > UINT16_MAX)
		return err_set(errp, ERR_FAILED, "the session has more lists of packs than a commit can name");
	for (size_t i = 0; i < commit->point.n_streams; i++)
		encode_top(&commit->point.streams[i].top, ret);
	bytes_u16(ret, (uint16_t)commit->n_lists);
	for (size_t i = 0; i < commit->n_lists; i++)
		bytes_put(ret, commit->lists[i], HASH_SIZE);
	pack_set_encode(&commit->packs, ret);
	return bytes_ok(ret) || err_set_no_memory(errp);
}

static bool parse_top(struct cursor *cursor, struct stream *stream, struct err **errp)
{
	struct locator *at = &stream->top.at;

	format_session(cursor, &at->session);
	at->seq = cursor_u32(cursor);
	at->entry = cursor_u16(cursor);
	bool is_zero = at->session.number == 0 && bytes_all_zero(at->session.writer, WRITER_SIZE) && at->seq == 0 &&
		       at->entry == 0;
	bool is_place = at->session.number != 0 && at->seq != 0 && at->seq < PACK_SET_SEQ_MAX;
	if (!cursor_ok(cursor) || !(chunk_id_is_zero(&stream->top.id) ? is_zero : is_place))
		return err_set(errp, ERR_CORRUPT, "placement: impossible place of stream '%s'", stream->name);
	return true;
}

static bool parse_lists(struct cursor *cursor, struct commit *commit, struct err **errp)
{
	uint16_t n = cursor_u16(cursor);

	if (!cursor_ok(cursor) || n > cursor->left / HASH_SIZE)
		return err_set(errp, ERR_CORRUPT, "placement: too short for its lists");
	commit->lists = calloc(n ? n : 1, HASH_SIZE);
	if (!commit->lists)
		return err_set_no_memory(errp);
	cursor_copy(cursor, commit->lists, (size_t)n * HASH_SIZE);
	commit->n_lists = n;
	return true;
}

bool placement_parse(struct span plain, struct commit *ret, struct err **errp)
{
	struct cursor cursor;

	cursor_init(&cursor, plain);
	for (size_t i = 0; i < ret->point.n_streams; i++)
		if (!parse_top(&cursor, &ret->point.streams[i], errp))
			return false;
	if (!parse_lists(&cursor, ret, errp) || !pack_set_parse(&cursor, &ret->packs, errp))
		return err_prefix(errp, "placement");
	return cursor_done(&cursor) || err_set(errp, ERR_CORRUPT, "placement: bytes behind its end");
}
