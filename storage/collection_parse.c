/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/collection.h"
#include "storage/format_parts.h"

#define PLAN_MAGIC "SLVRPLAN"
#define FINAL_MAGIC "SLVRFINL"
#define WRITER_ENCODED_MIN (WRITER_SIZE + 8 + 4)
#define LIVE_ENCODED_SIZE (8 + HASH_SIZE)

bool collection_parse_plan(struct span body, uint64_t *ret_x, struct pack_set *ret, struct err **errp)
{
	AUTO(pack_set_release) struct pack_set packs = {0};
	struct cursor cursor;

	cursor_init(&cursor, body);
	if (!format_begin(&cursor, PLAN_MAGIC, "plan", errp))
		return false;
	uint64_t x = cursor_u64(&cursor);
	cursor_take(&cursor, HASH_SIZE);
	if (!pack_set_parse(&cursor, &packs, errp))
		return err_prefix(errp, "plan");
	if (!cursor_done(&cursor) || x == 0)
		return err_set(errp, ERR_CORRUPT, "plan: its size or number is wrong");
	*ret_x = x;
	*ret = packs;
	packs = (struct pack_set){0};
	return true;
}

static bool parse_live(struct cursor *cursor, uint32_t n, struct checkpoint_writer *writer, struct err **errp)
{
	uint64_t before = 0;

	writer->live = calloc(n ? n : 1, sizeof(*writer->live));
	writer->points = calloc(n ? n : 1, sizeof(*writer->points));
	if (!writer->live || !writer->points)
		return err_set_no_memory(errp);
	for (uint32_t i = 0; i < n; i++) {
		writer->live[i] = cursor_u64(cursor);
		cursor_copy(cursor, writer->points[i], HASH_SIZE);
		if (writer->live[i] <= before || writer->live[i] > writer->low)
			return err_set(errp, ERR_CORRUPT, "final: live sessions do not ascend to the low mark");
		before = writer->live[i];
	}
	writer->n_live = n;
	return true;
}

static bool parse_writer(struct cursor *cursor, struct collection *collection, struct err **errp)
{
	size_t at = collection->n_writers++;
	struct checkpoint_writer *writer = &collection->writers[at];

	cursor_copy(cursor, writer->id8, WRITER_SIZE);
	writer->low = cursor_u64(cursor);
	uint32_t n = cursor_u32(cursor);
	if (!cursor_ok(cursor) || n > cursor->left / LIVE_ENCODED_SIZE)
		return err_set(errp, ERR_CORRUPT, "final: too short");
	if (at > 0 && memcmp(writer[-1].id8, writer->id8, WRITER_SIZE) >= 0)
		return err_set(errp, ERR_CORRUPT, "final: writers do not ascend");
	return parse_live(cursor, n, writer, errp);
}

static bool parse_writers(struct cursor *cursor, struct collection *collection, struct err **errp)
{
	uint32_t n = cursor_u32(cursor);

	if (!cursor_ok(cursor) || n > cursor->left / WRITER_ENCODED_MIN)
		return err_set(errp, ERR_CORRUPT, "final: too short");
	collection->writers = calloc(n ? n : 1, sizeof(*collection->writers));
	if (!collection->writers)
		return err_set_no_memory(errp);
	while (collection->n_writers < n)
		if (!parse_writer(cursor, collection, errp))
			return false;
	return true;
}

bool collection_parse_final(struct span body, struct collection *ret, struct err **errp)
{
	AUTO(collection_release) struct collection final = {0};
	struct cursor cursor;

	cursor_init(&cursor, body);
	if (!format_begin(&cursor, FINAL_MAGIC, "final", errp))
		return false;
	final.checkpoint_x = cursor_u64(&cursor);
	cursor_copy(&cursor, final.plan_hash, HASH_SIZE);
	cursor_copy(&cursor, final.previous_hash, HASH_SIZE);
	if (!pack_set_parse(&cursor, &final.condemned, errp))
		return err_prefix(errp, "final");
	if (!parse_writers(&cursor, &final, errp))
		return false;
	if (!cursor_done(&cursor) || final.checkpoint_x == 0)
		return err_set(errp, ERR_CORRUPT, "final: its size or number is wrong");
	*ret = final;
	final = (struct collection){0};
	return true;
}
