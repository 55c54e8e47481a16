/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "storage/session_state.h"

/*
 * A node of an earlier session is taken over only when it is, byte for byte, what would be stored: then its locators
 * are those that this session found or checked itself. A node's id does not cover them; one that locates into a
 * condemned pack has the same id.
 */
static bool is_same_node(struct session *session, const struct chunk_id *id, const struct locator *at,
			 struct span plain)
{
	AUTO(bytes_release) struct bytes stored;
	struct tree_node node;
	struct err *error = NULL;

	bytes_init(&stored, TREE_NODE_MAX);
	if (session_id_equal(&at->session, &session->id))
		return true;
	if (!pack_reader_node(session->reader, id, at, &node, &error) || !tree_node_encode(&node, &stored, &error)) {
		log_debug("a known node is stored again: %s", err_message(error));
		err_clear(&error);
		return false;
	}
	return stored.len == plain.len && memcmp(stored.data, plain.data, plain.len) == 0;
}

static bool compress_and_store(struct session *session, const struct chunk_id *id, struct span plain,
			       struct locator *ret, struct err **errp)
{
	uint8_t frame[TREE_NODE_MAX];
	enum chunk_codec codec;
	struct reservation place = {0};
	size_t len;

	if (!chunk_compress(plain, frame, &codec, &len, errp))
		return false;
	struct span stored = codec == CODEC_RAW ? plain : SPAN(frame, len);
	if (!session_reserve_in(session, PACK_META, id, (uint32_t)plain.len, codec, stored.len, &place, errp))
		return false;
	*ret = place.at;
	return session_seal(session, &place, stored, errp);
}

bool session_store_node(void *arg, uint8_t level, const struct chunk_id *id, struct span plain, struct locator *ret,
			struct err **errp)
{
	struct session *session = arg;

	(void)level;
	if (session_lookup(session, PACK_META, id, ret) && is_same_node(session, id, ret, plain))
		return true;
	return compress_and_store(session, id, plain, ret, errp);
}
