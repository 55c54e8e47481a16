/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/stream_read.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/stream_read_ahead_internal.h"

struct stream_reader {
	struct stream stream;
	struct tree_reader *tree;
	struct stream_cache *cache;
	struct read_ahead *ahead; /* NULL: none */
};

struct tree_reader *stream_tree_new(struct pack_reader *packs, const struct stream *stream, struct err **errp)
{
	struct tree_reader *tree = tree_reader_new(packs, &stream->shape, &stream->top, errp);
	if (tree)
		tree_reader_set_stream(tree, stream->number);
	return tree;
}

struct stream_reader *stream_reader_new(struct pack_reader *packs, const struct stream *stream,
					const struct stream_reader_options *options, struct err **errp)
{
	AUTO(stream_reader_freep) struct stream_reader *reader = calloc(1, sizeof(*reader));
	if (!reader) {
		err_set_no_memory(errp);
		return NULL;
	}
	reader->stream = *stream;
	reader->tree = stream_tree_new(packs, stream, errp);
	if (!reader->tree)
		return NULL;
	reader->cache = stream_cache_new(packs, reader->tree, options->cache_bytes, errp);
	if (!reader->cache)
		return NULL;
	if (options->read_ahead == 0)
		return STEAL(&reader);
	reader->ahead = read_ahead_new(reader->cache, &stream->shape, options->read_ahead, options->careful, errp);
	return reader->ahead ? STEAL(&reader) : NULL;
}

void stream_reader_free(struct stream_reader *reader)
{
	if (!reader)
		return;
	read_ahead_free(reader->ahead);
	stream_cache_free(reader->cache);
	tree_reader_free(reader->tree);
	free(reader);
}

uint64_t stream_reader_size(const struct stream_reader *reader)
{
	return reader->stream.shape.size;
}

struct tree_reader *stream_reader_tree(struct stream_reader *reader)
{
	return reader->tree;
}

/* What a read still wants. */
struct piece {
	uint64_t offset;
	uint8_t *data;
	size_t len;
};

/* Copies what lies in this chunk, and moves on. */
static void copy_chunk(const struct stream_shape *shape, uint64_t index, const uint8_t *chunk, struct piece *piece)
{
	uint64_t inside = piece->offset - (index << shape->exponent);
	uint64_t left = stream_chunk_len(shape, index) - inside;
	size_t len = left < piece->len ? (size_t)left : piece->len;
	if (chunk)
		memcpy(piece->data, chunk + inside, len);
	else
		memset(piece->data, 0, len);
	piece->offset += len;
	piece->data += len;
	piece->len -= len;
}

static bool read_window(struct stream_reader *reader, uint64_t end, struct piece *piece, struct err **errp)
{
	const struct stream_shape *shape = &reader->stream.shape;
	struct held_chunk held[STREAM_WINDOW];
	uint64_t first = piece->offset >> shape->exponent;
	size_t n = end - first < STREAM_WINDOW ? (size_t)(end - first) : STREAM_WINDOW;
	if (!stream_cache_hold(reader->cache, first, n, held, &n, errp))
		return err_prefix(errp, "stream '%s' at %" PRIu64, reader->stream.name, piece->offset);
	for (size_t i = 0; i < n; i++)
		copy_chunk(shape, first + i, held[i].data, piece);
	stream_cache_release(reader->cache, held, n);
	return true;
}

bool stream_reader_read(struct stream_reader *reader, uint64_t offset, void *data, size_t len, struct err **errp)
{
	const struct stream_shape *shape = &reader->stream.shape;
	assert(offset <= shape->size && len <= shape->size - offset);
	if (len == 0)
		return true;
	struct piece piece = {.offset = offset, .data = data, .len = len};
	uint64_t end = ((offset + len - 1) >> shape->exponent) + 1;
	if (reader->ahead)
		read_ahead_note(reader->ahead, offset >> shape->exponent, end);
	while (piece.len > 0)
		if (!read_window(reader, end, &piece, errp))
			return false;
	return true;
}
