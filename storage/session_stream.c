/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/err.h"
#include "storage/session_state.h"

static bool store_chunk(struct session *session, struct span plain, uint8_t *frame, struct tree_ref *ret,
			struct err **errp)
{
	struct reservation place;
	enum chunk_codec codec;
	size_t len;

	if (!chunk_identify(session_keys(session), plain, &ret->id, errp))
		return false;
	if (session_find(session, &ret->id, &ret->at))
		return true;
	if (!chunk_compress(plain, frame, &codec, &len, errp))
		return false;
	struct span stored = codec == CODEC_RAW ? plain : SPAN(frame, len);
	if (!session_reserve(session, &ret->id, (uint32_t)plain.len, codec, stored.len, &place, errp))
		return false;
	ret->at = place.at;
	return session_seal(session, &place, stored, errp);
}

static bool store_chunks(struct session *session, struct span plain, const struct stream_shape *shape,
			 struct tree_writer *tree, struct err **errp)
{
	AUTO(freep) uint8_t *frame = malloc((size_t)1 << shape->exponent);
	const uint8_t *at = plain.data;

	if (!frame)
		return err_set_no_memory(errp);
	for (uint64_t i = 0; i < stream_chunks(shape); i++) {
		struct span chunk = SPAN(at, stream_chunk_len(shape, i));
		struct tree_ref ref = {0};
		at += chunk.len;
		if (!bytes_all_zero(chunk.data, chunk.len) && !store_chunk(session, chunk, frame, &ref, errp))
			return false;
		if (!tree_writer_put(tree, i, &ref, errp))
			return false;
	}
	return true;
}

bool session_store_stream(struct session *session, struct span plain, struct stream *ret, struct err **errp)
{
	struct stream_shape shape = {.size = plain.len, .exponent = CHUNK_EXPONENT_DISK};
	AUTO(tree_writer_freep)
	struct tree_writer *tree =
		tree_writer_new(session_keys(session), &shape, NULL, NULL, NULL, session_store_node, session, errp);

	if (!tree || !store_chunks(session, plain, &shape, tree, errp))
		return false;
	ret->shape = shape;
	return tree_writer_finish(tree, &ret->top, errp) &&
	       stream_root(session_keys(session), &shape, &ret->top.id, &ret->root, errp);
}
