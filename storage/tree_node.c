/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes as bytes, see docs/format.md, Tree. */
#include <string.h>

#include "base/err.h"
#include "storage/pack.h"
#include "storage/tree.h"

enum { HOLE_PACK = 255, HOLE_ENTRY = 65535 };

uint64_t stream_chunks(const struct stream_shape *shape)
{
	uint64_t whole = shape->size >> shape->exponent;
	return whole + ((shape->size & ((UINT64_C(1) << shape->exponent) - 1)) != 0);
}

uint32_t stream_chunk_len(const struct stream_shape *shape, uint64_t index)
{
	uint64_t left = shape->size - (index << shape->exponent);
	uint64_t full = UINT64_C(1) << shape->exponent;
	return (uint32_t)(left < full ? left : full);
}

uint8_t stream_depth(const struct stream_shape *shape)
{
	uint64_t nodes = stream_chunks(shape);
	uint8_t depth = 1;
	for (nodes = nodes / TREE_FANOUT + (nodes % TREE_FANOUT != 0); nodes > 1; depth++)
		nodes = nodes / TREE_FANOUT + (nodes % TREE_FANOUT != 0);
	return depth;
}

bool stream_root(const struct metadata_keys *keys, const struct stream_shape *shape, const struct chunk_id *top,
		 struct chunk_id *ret, struct err **errp)
{
	uint8_t head[11] = {0x02};
	bytes_store_le64(head + 1, shape->size);
	head[9] = shape->exponent;
	head[10] = stream_depth(shape);
	const struct span parts[] = {SPAN_OF(head), SPAN_OF(top->b)};
	return crypto_hmac(keys->id, parts, ARRAY_LENGTH(parts), ret->b, errp);
}

bool tree_node_id(const struct metadata_keys *keys, const struct tree_node *node, struct chunk_id *ret,
		  struct err **errp)
{
	uint8_t head[4] = {0x01, node->level};
	bytes_store_le16(head + 2, node->n);
	uint8_t ids[TREE_FANOUT * ID_SIZE];
	for (size_t i = 0; i < node->n; i++)
		memcpy(ids + i * ID_SIZE, node->children[i].id.b, ID_SIZE);
	const struct span parts[] = {SPAN_OF(head), SPAN(ids, (size_t)node->n * ID_SIZE)};
	return crypto_hmac(keys->id, parts, ARRAY_LENGTH(parts), ret->b, errp);
}

/* The packs that a node names, once each, in the order of first use. */
struct node_packs {
	struct locator packs[TREE_FANOUT]; /* entry unused */
	size_t n;
};

static bool same_pack(const struct locator *a, const struct locator *b)
{
	return a->seq == b->seq && session_id_equal(&a->session, &b->session);
}

/* Its place in the list; n when it is not there. */
static size_t find_pack(const struct node_packs *packs, const struct locator *at)
{
	size_t i = 0;
	while (i < packs->n && !same_pack(&packs->packs[i], at))
		i++;
	return i;
}

static void collect_packs(const struct tree_node *node, struct node_packs *packs, uint8_t places[TREE_FANOUT])
{
	packs->n = 0;
	for (size_t i = 0; i < node->n; i++) {
		if (chunk_id_is_zero(&node->children[i].id)) {
			places[i] = HOLE_PACK;
			continue;
		}
		size_t place = find_pack(packs, &node->children[i].at);
		if (place == packs->n)
			packs->packs[packs->n++] = node->children[i].at;
		places[i] = (uint8_t)place;
	}
}

static void encode_packs(const struct node_packs *packs, struct bytes *out)
{
	bytes_u8(out, (uint8_t)packs->n);
	for (size_t i = 0; i < packs->n; i++) {
		uint8_t session[SESSION_SIZE];
		session_id_store(&packs->packs[i].session, session);
		bytes_put(out, session, sizeof(session));
		bytes_u32(out, packs->packs[i].seq);
	}
}

bool tree_node_encode(const struct tree_node *node, struct bytes *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes out;
	bytes_init(&out, TREE_NODE_MAX);
	struct node_packs packs;
	uint8_t places[TREE_FANOUT];
	collect_packs(node, &packs, places);
	bytes_u8(&out, node->level);
	bytes_u16(&out, node->n);
	for (size_t i = 0; i < node->n; i++)
		bytes_put(&out, node->children[i].id.b, ID_SIZE);
	encode_packs(&packs, &out);
	for (size_t i = 0; i < node->n; i++) {
		bytes_u8(&out, places[i]);
		bytes_u16(&out, places[i] == HOLE_PACK ? HOLE_ENTRY : node->children[i].at.entry);
	}
	if (!bytes_ok(&out))
		return err_set_no_memory(errp);
	*ret = out;
	out = (struct bytes){0};
	return true;
}

static bool parse_ids(struct cursor *cursor, struct tree_node *node)
{
	node->level = cursor_u8(cursor);
	node->n = cursor_u16(cursor);
	if (node->level >= TREE_DEPTH_MAX || node->n == 0 || node->n > TREE_FANOUT)
		return false;
	for (size_t i = 0; i < node->n; i++)
		cursor_copy(cursor, node->children[i].id.b, ID_SIZE);
	return cursor_ok(cursor) && !chunk_id_is_zero(&node->children[node->n - 1].id);
}

static bool parse_packs(struct cursor *cursor, struct node_packs *packs)
{
	size_t n = cursor_u8(cursor);
	if (n > TREE_FANOUT)
		return false;
	for (packs->n = 0; packs->n < n; packs->n++) {
		uint8_t session[SESSION_SIZE];
		struct locator pack = {0};
		cursor_copy(cursor, session, sizeof(session));
		session_id_load(session, &pack.session);
		pack.seq = cursor_u32(cursor);
		if (!cursor_ok(cursor) || pack.seq == 0 || find_pack(packs, &pack) != packs->n)
			return false;
		packs->packs[packs->n] = pack;
	}
	return true;
}

/* Packs are named in the order of first use, so a child names one seen before, or the next one. */
static bool parse_places(struct cursor *cursor, const struct node_packs *packs, struct tree_node *node)
{
	size_t seen = 0;
	for (size_t i = 0; i < node->n; i++) {
		struct tree_ref *child = &node->children[i];
		uint8_t pack = cursor_u8(cursor);
		uint16_t entry = cursor_u16(cursor);
		if (chunk_id_is_zero(&child->id)) {
			if (pack != HOLE_PACK || entry != HOLE_ENTRY)
				return false;
			continue;
		}
		if (pack >= packs->n || pack > seen || entry >= PACK_MAX_ENTRIES)
			return false;
		seen += pack == seen;
		child->at = packs->packs[pack];
		child->at.entry = entry;
	}
	return seen == packs->n && cursor_done(cursor);
}

bool tree_node_parse(struct span plain, struct tree_node *ret, struct err **errp)
{
	struct cursor cursor;
	cursor_init(&cursor, plain);
	struct tree_node node = {0};
	struct node_packs packs;
	if (!parse_ids(&cursor, &node) || !parse_packs(&cursor, &packs) || !parse_places(&cursor, &packs, &node))
		return err_set(errp, ERR_CORRUPT, "it is not a valid tree node");
	*ret = node;
	return true;
}
