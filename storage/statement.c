/* SPDX-License-Identifier: Apache-2.0 */
/* The plaintext of a statement, see docs/format.md, Commit. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/commit_parts.h"
#include "storage/format_parts.h"

#define STREAM_ENCODED_MIN (2 + 4 + 2 + 1 + 8 + ID_SIZE + ID_SIZE)

static void encode_stream(const struct stream *stream, struct bytes *out)
{
	bytes_u16(out, stream->number);
	bytes_u8(out, (uint8_t)stream->kind);
	bytes_u8(out, stream->shape.exponent);
	bytes_u8(out, stream_depth(&stream->shape));
	bytes_u8(out, 0);
	bytes_text(out, stream->name);
	bytes_u64(out, stream->shape.size);
	bytes_put(out, stream->root.b, ID_SIZE);
	bytes_put(out, stream->top.id.b, ID_SIZE);
}

bool statement_encode(const struct point *point, struct bytes *ret, struct err **errp)
{
	bytes_u16(ret, STATEMENT_VERSION);
	bytes_u8(ret, (uint8_t)point->consistency);
	bytes_u8(ret, point->full ? 1 : 2);
	format_put_session(ret, &point->session);
	bytes_put(ret, point->workload_id, WORKLOAD_ID_SIZE);
	bytes_text(ret, point->workload);
	bytes_u64(ret, point->cut_ns);
	bytes_text(ret, point->engine);
	bytes_text(ret, point->fallback_reason);
	bytes_put(ret, point->parent, POINT_ID_SIZE);
	bytes_u64(ret, point->previous_number);
	bytes_put(ret, point->previous_point, POINT_ID_SIZE);
	bytes_u32(ret, point->keyring_n);
	bytes_put(ret, point->keyring_hash, HASH_SIZE);
	bytes_u64(ret, point->checkpoint_x);
	bytes_put(ret, point->checkpoint_hash, HASH_SIZE);
	bytes_u16(ret, (uint16_t)point->n_streams);
	for (size_t i = 0; i < point->n_streams; i++)
		encode_stream(&point->streams[i], ret);
	return bytes_ok(ret) || err_set_no_memory(errp);
}

static bool shape_is_valid(const struct stream *stream, uint8_t depth)
{
	const struct stream_shape *shape = &stream->shape;

	return shape->exponent >= CHUNK_EXPONENT_MIN && shape->exponent <= CHUNK_EXPONENT_MAX &&
	       shape->size <= INT64_MAX && stream_depth(shape) == depth;
}

static bool parse_stream(struct cursor *cursor, struct stream *ret, struct err **errp)
{
	ret->number = cursor_u16(cursor);
	uint8_t kind = cursor_u8(cursor);
	ret->shape.exponent = cursor_u8(cursor);
	uint8_t depth = cursor_u8(cursor), reserved = cursor_u8(cursor);
	format_text(cursor, ret->name, 1, sizeof(ret->name));
	ret->shape.size = cursor_u64(cursor);
	cursor_copy(cursor, ret->root.b, ID_SIZE);
	cursor_copy(cursor, ret->top.id.b, ID_SIZE);
	if (!cursor_ok(cursor) || kind < STREAM_DISK || kind > STREAM_ANSWERS || reserved != 0)
		return err_set(errp, ERR_CORRUPT, "statement: damaged stream");
	ret->kind = kind;
	if (!shape_is_valid(ret, depth))
		return err_set(errp, ERR_CORRUPT, "statement: stream '%s' has an impossible shape", ret->name);
	return true;
}

static bool streams_are_unique(const struct point *point)
{
	for (size_t i = 0; i < point->n_streams; i++)
		for (size_t j = 0; j < i; j++)
			if (point->streams[i].number == point->streams[j].number ||
			    strcmp(point->streams[i].name, point->streams[j].name) == 0)
				return false;
	return true;
}

static bool parse_streams(struct cursor *cursor, struct point *point, struct err **errp)
{
	uint16_t n = cursor_u16(cursor);

	if (!cursor_ok(cursor) || n == 0 || n > POINT_STREAMS_MAX || n > cursor->left / STREAM_ENCODED_MIN)
		return err_set(errp, ERR_CORRUPT, "statement: impossible number of streams");
	point->streams = calloc(n, sizeof(*point->streams));
	if (!point->streams)
		return err_set_no_memory(errp);
	for (; point->n_streams < n; point->n_streams++)
		if (!parse_stream(cursor, &point->streams[point->n_streams], errp))
			return false;
	if (!cursor_done(cursor))
		return err_set(errp, ERR_CORRUPT, "statement: bytes behind its end");
	return streams_are_unique(point) || err_set(errp, ERR_CORRUPT, "statement: two streams of one name or number");
}

/* What is before the streams. */
static void parse_fields(struct cursor *cursor, struct point *point)
{
	format_session(cursor, &point->session);
	cursor_copy(cursor, point->workload_id, WORKLOAD_ID_SIZE);
	format_text(cursor, point->workload, 1, sizeof(point->workload));
	point->cut_ns = cursor_u64(cursor);
	format_text(cursor, point->engine, 0, sizeof(point->engine));
	format_text(cursor, point->fallback_reason, 0, sizeof(point->fallback_reason));
	cursor_copy(cursor, point->parent, POINT_ID_SIZE);
	point->previous_number = cursor_u64(cursor);
	cursor_copy(cursor, point->previous_point, POINT_ID_SIZE);
	point->keyring_n = cursor_u32(cursor);
	cursor_copy(cursor, point->keyring_hash, HASH_SIZE);
	point->checkpoint_x = cursor_u64(cursor);
	cursor_copy(cursor, point->checkpoint_hash, HASH_SIZE);
}

static bool parse(struct span plain, struct point *point, struct err **errp)
{
	struct cursor cursor;

	cursor_init(&cursor, plain);
	uint16_t version = cursor_u16(&cursor);
	uint8_t consistency = cursor_u8(&cursor), mode = cursor_u8(&cursor);
	if (cursor_ok(&cursor) && version != STATEMENT_VERSION)
		return err_set(errp, ERR_UNSUPPORTED, "statement of version %u, this program knows version 1", version);
	if (consistency < CONSISTENCY_OFFLINE || consistency > CONSISTENCY_CRASH || mode < 1 || mode > 2)
		return err_set(errp, ERR_CORRUPT, "statement: unknown consistency or mode");
	point->consistency = consistency;
	point->full = mode == 1;
	parse_fields(&cursor, point);
	if (!cursor_ok(&cursor) || point->session.number == 0)
		return err_set(errp, ERR_CORRUPT, "statement: a field is missing or too long");
	return parse_streams(&cursor, point, errp);
}

bool statement_parse(struct span plain, struct point *ret, struct err **errp)
{
	AUTO(point_release) struct point point = {0};

	if (!parse(plain, &point, errp))
		return false;
	*ret = point;
	point = (struct point){0};
	return true;
}
