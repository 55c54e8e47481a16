/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of a pack around its bodies. Nothing in them is believed before the footer's tag holds: it covers head,
 * keyslots, tail and entries. What is read before that only says how much to read.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/chunk.h"
#include "storage/pack_internal.h"

static const uint8_t head_magic[8] = "SLVRPCK1";
static const uint8_t tail_magic[8] = "SLVREND1";

enum {
	HEAD_VERSION_AT = 8,
	HEAD_CLASS_AT = 10,
	HEAD_R_AT = 12,
	HEAD_DOMAIN_AT = 16,
	HEAD_SESSION_AT = 32,
	HEAD_SEQ_AT = 48,
	TAIL_NONCE_AT = 32,
	TAIL_FOOTER_LEN_AT = 44,
	TAIL_KEYSLOTS_AT = 48,
	TAIL_ENTRIES_AT = 52,
	TAIL_MAGIC_AT = 56,
};

_Static_assert(HEAD_SEQ_AT + 4 + 12 == PACK_HEAD_SIZE, "the head as specified");
_Static_assert(TAIL_MAGIC_AT + sizeof(tail_magic) == PACK_TAIL_SIZE, "the tail as specified");

void pack_head_encode(const struct repository *repository, const struct pack_footer *pack, uint8_t ret[PACK_HEAD_SIZE])
{
	memset(ret, 0, PACK_HEAD_SIZE);
	memcpy(ret, head_magic, sizeof(head_magic));
	bytes_store_le16(ret + HEAD_VERSION_AT, FORMAT_VERSION);
	ret[HEAD_CLASS_AT] = (uint8_t)pack->cls;
	bytes_store_le32(ret + HEAD_R_AT, pack->r);
	memcpy(ret + HEAD_DOMAIN_AT, repository_domain(repository), DOMAIN_SIZE);
	session_id_store(&pack->session, ret + HEAD_SESSION_AT);
	bytes_store_le32(ret + HEAD_SEQ_AT, pack->seq);
}

void pack_tail_encode(const struct pack_footer *pack, const uint8_t nonce[NONCE_SIZE], uint8_t ret[PACK_TAIL_SIZE])
{
	memset(ret, 0, PACK_TAIL_SIZE);
	memcpy(ret, pack->salt, sizeof(pack->salt));
	memcpy(ret + TAIL_NONCE_AT, nonce, NONCE_SIZE);
	bytes_store_le32(ret + TAIL_FOOTER_LEN_AT, (uint32_t)pack_footer_len(pack->n_entries));
	bytes_store_le16(ret + TAIL_KEYSLOTS_AT, (uint16_t)pack->n_keyslots);
	bytes_store_le32(ret + TAIL_ENTRIES_AT, (uint32_t)pack->n_entries);
	memcpy(ret + TAIL_MAGIC_AT, tail_magic, sizeof(tail_magic));
}

void pack_entry_encode(const struct pack_entry *entry, uint8_t ret[PACK_ENTRY_SIZE])
{
	memset(ret, 0, PACK_ENTRY_SIZE);
	memcpy(ret, entry->id.b, ID_SIZE);
	bytes_store_le32(ret + 32, entry->offset);
	bytes_store_le32(ret + 36, entry->sealed_len);
	bytes_store_le32(ret + 40, entry->plain_len);
	ret[44] = entry->codec;
	ret[45] = entry->keyslot;
}

size_t pack_footer_len(size_t n_entries)
{
	return n_entries * PACK_ENTRY_SIZE + TAG_SIZE;
}

bool pack_footer_aad(const struct repository *repository, const struct pack_footer *pack, struct bytes *ret,
		     struct err **errp)
{
	static const uint8_t zero_nonce[NONCE_SIZE];
	uint8_t head[PACK_HEAD_SIZE], tail[PACK_TAIL_SIZE];
	pack_head_encode(repository, pack, head);
	pack_tail_encode(pack, zero_nonce, tail);
	bytes_init(ret, PACK_HEAD_SIZE + PACK_KEYSLOTS_MAX * KEYSLOT_SIZE + PACK_TAIL_SIZE);
	bytes_put(ret, head, sizeof(head));
	bytes_put(ret, pack->keyslots, pack->n_keyslots * KEYSLOT_SIZE);
	bytes_put(ret, tail, sizeof(tail));
	if (bytes_ok(ret))
		return true;
	bytes_release(ret);
	return err_set_no_memory(errp);
}

static bool damaged(struct err **errp, const char *what)
{
	return err_set(errp, ERR_CORRUPT, "%s", what);
}

/* What the tail says of itself; believed for reading only. */
struct tail_fields {
	uint8_t salt[PACK_SALT_SIZE], nonce[NONCE_SIZE];
	uint32_t footer_len, entries;
	uint16_t keyslots;
	size_t needed; /* from the end of the object */
};

static bool parse_tail(struct span tail, uint64_t size, struct tail_fields *ret, struct err **errp)
{
	if (size < PACK_HEAD_SIZE + PACK_TAIL_SIZE || size > PACK_MAX_SIZE || tail.len > size ||
	    tail.len < PACK_TAIL_SIZE)
		return err_set(errp, ERR_CORRUPT, "%llu bytes are not a pack", (unsigned long long)size);
	struct cursor cursor;
	cursor_init(&cursor, SPAN((const uint8_t *)tail.data + tail.len - PACK_TAIL_SIZE, PACK_TAIL_SIZE));
	struct tail_fields fields;
	cursor_copy(&cursor, fields.salt, sizeof(fields.salt));
	cursor_copy(&cursor, fields.nonce, sizeof(fields.nonce));
	fields.footer_len = cursor_u32(&cursor);
	fields.keyslots = cursor_u16(&cursor);
	uint16_t reserved = cursor_u16(&cursor);
	fields.entries = cursor_u32(&cursor);
	struct span magic = cursor_take(&cursor, sizeof(tail_magic));
	if (!cursor_done(&cursor) || memcmp(magic.data, tail_magic, sizeof(tail_magic)) != 0)
		return damaged(errp, "it does not end as a pack does");
	if (reserved != 0 || fields.keyslots > PACK_KEYSLOTS_MAX || fields.entries > PACK_MAX_ENTRIES ||
	    fields.footer_len != pack_footer_len(fields.entries))
		return damaged(errp, "its tail is damaged");
	fields.needed = PACK_TAIL_SIZE + fields.footer_len + (size_t)fields.keyslots * KEYSLOT_SIZE;
	if (fields.needed > size - PACK_HEAD_SIZE)
		return damaged(errp, "its footer is longer than the pack");
	*ret = fields;
	return true;
}

bool pack_footer_extent(struct span tail, uint64_t size, uint64_t *ret_needed, struct err **errp)
{
	struct tail_fields fields;
	if (!parse_tail(tail, size, &fields, errp))
		return false;
	*ret_needed = fields.needed;
	return true;
}

/* The head must be, byte by byte, the one of this pack; only r is learned from it. */
static bool check_head(const struct repository *repository, struct span head, struct pack_footer *footer,
		       struct err **errp)
{
	const uint8_t *bytes = head.data;
	if (head.len < PACK_HEAD_SIZE || memcmp(bytes, head_magic, sizeof(head_magic)) != 0)
		return damaged(errp, "it does not begin as a pack does");
	footer->r = bytes_load_le32(bytes + HEAD_R_AT);
	uint8_t wanted[PACK_HEAD_SIZE];
	pack_head_encode(repository, footer, wanted);
	return memcmp(bytes, wanted, PACK_HEAD_SIZE) == 0 ||
	       damaged(errp, "its head is that of another pack, or damaged");
}

static bool entry_is_valid(const struct pack_footer *footer, const struct pack_entry *entry, uint64_t bodies_end)
{
	size_t stored_len = entry->sealed_len - TAG_SIZE;
	if (entry->sealed_len <= TAG_SIZE || entry->plain_len == 0 || entry->plain_len > CHUNK_MAX ||
	    chunk_id_is_zero(&entry->id))
		return false;
	if (entry->codec == CODEC_RAW ? stored_len != entry->plain_len : stored_len > entry->plain_len)
		return false;
	if (entry->codec > CODEC_ZSTD || (entry->keyslot != 0 && entry->keyslot >= footer->n_keyslots))
		return false;
	return entry->offset >= PACK_HEAD_SIZE && (uint64_t)entry->offset + entry->sealed_len <= bodies_end;
}

bool pack_entries_parse(struct span plain, uint64_t bodies_end, struct pack_footer *footer, struct err **errp)
{
	struct cursor cursor;
	cursor_init(&cursor, plain);
	for (size_t i = 0; i < footer->n_entries; i++) {
		struct pack_entry *entry = &footer->entries[i];
		cursor_copy(&cursor, entry->id.b, ID_SIZE);
		entry->offset = cursor_u32(&cursor);
		entry->sealed_len = cursor_u32(&cursor);
		entry->plain_len = cursor_u32(&cursor);
		entry->codec = cursor_u8(&cursor);
		entry->keyslot = cursor_u8(&cursor);
		uint16_t reserved = cursor_u16(&cursor);
		if (!cursor_ok(&cursor) || reserved != 0 || !entry_is_valid(footer, entry, bodies_end))
			return err_set(errp, ERR_CORRUPT, "entry %zu: it is not a valid entry", i);
	}
	return cursor_done(&cursor) || damaged(errp, "there are bytes behind its entries");
}

static const struct metadata_keys *footer_keys(const struct repository *repository, const struct pack_footer *footer,
					       struct err **errp)
{
	const struct metadata_keys *keys = repository_metadata_at(repository, footer->r);
	if (!keys)
		err_set(errp, ERR_CORRUPT, "it is under metadata key %u, which the keyring does not have", footer->r);
	return keys;
}

/* Opens the sealed entries into plain, which has room for them. */
static bool open_entries(const struct repository *repository, const struct pack_footer *footer,
			 const uint8_t nonce[NONCE_SIZE], struct span sealed, uint8_t *plain, struct err **errp)
{
	const struct metadata_keys *keys = footer_keys(repository, footer, errp);
	AUTO(bytes_release) struct bytes aad = {0};
	uint8_t key[KEY_SIZE];
	if (!keys || !pack_footer_aad(repository, footer, &aad, errp) ||
	    !dek_footer(keys, footer->salt, &footer->session, footer->seq, key, errp))
		return false;
	bool ok = crypto_open(key, nonce, bytes_span(&aad), sealed, plain, errp);
	crypto_wipe(key, sizeof(key));
	return ok;
}

static bool footer_allocate(struct pack_footer *footer, const struct tail_fields *fields, const uint8_t *keyslots,
			    struct err **errp)
{
	footer->n_keyslots = fields->keyslots;
	footer->n_entries = fields->entries;
	footer->keyslots = malloc(footer->n_keyslots * KEYSLOT_SIZE + 1);
	footer->entries = calloc(footer->n_entries + 1, sizeof(footer->entries[0]));
	if (!footer->keyslots || !footer->entries)
		return err_set_no_memory(errp);
	memcpy(footer->salt, fields->salt, sizeof(footer->salt));
	memcpy(footer->keyslots, keyslots, footer->n_keyslots * KEYSLOT_SIZE);
	return true;
}

static bool read_footer(const struct repository *repository, const struct tail_fields *fields, struct span needed,
			uint64_t size, struct pack_footer *footer, struct err **errp)
{
	const uint8_t *keyslots = needed.data;
	if ((footer->cls == PACK_CHUNKS) != (fields->keyslots > 0))
		return err_set(errp, ERR_CORRUPT, "%u keyslots do not fit its class", fields->keyslots);
	AUTO(freep) uint8_t *plain = malloc(fields->footer_len);
	if (!plain)
		return err_set_no_memory(errp);
	struct span sealed = SPAN(keyslots + (size_t)fields->keyslots * KEYSLOT_SIZE, fields->footer_len);
	return footer_allocate(footer, fields, keyslots, errp) &&
	       open_entries(repository, footer, fields->nonce, sealed, plain, errp) &&
	       pack_entries_parse(SPAN(plain, fields->footer_len - TAG_SIZE), size - fields->needed, footer, errp);
}

bool pack_err(struct err **errp, enum pack_class cls, const struct session_id *session, uint32_t seq)
{
	char name[OBJECT_NAME_SIZE];
	err_about(errp, "%s", object_name_pack(cls, session, seq, name));
	return err_prefix(errp, "pack %s", name);
}

bool pack_footer_open(const struct repository *repository, enum pack_class cls, const struct session_id *session,
		      uint32_t seq, struct span head, struct span tail, uint64_t size, struct pack_footer *ret,
		      struct err **errp)
{
	AUTO(pack_footer_release) struct pack_footer footer = {.session = *session, .seq = seq, .cls = cls};
	struct tail_fields fields;
	if (!parse_tail(tail, size, &fields, errp))
		return pack_err(errp, cls, session, seq);
	assert(fields.needed <= tail.len);
	struct span needed = SPAN((const uint8_t *)tail.data + tail.len - fields.needed, fields.needed);
	if (!check_head(repository, head, &footer, errp) ||
	    !read_footer(repository, &fields, needed, size, &footer, errp))
		return pack_err(errp, cls, session, seq);
	*ret = footer;
	footer = (struct pack_footer){0};
	return true;
}

/* The end of a pack, and its head, as read from a backend. */
struct pack_ends {
	uint8_t *tail;
	size_t tail_len;
	uint64_t size;
	uint8_t head[PACK_HEAD_SIZE];
};

static void pack_ends_release(struct pack_ends *ends)
{
	free(ends->tail);
}

/* Reads the tail once more when the first guess of its length was too short. */
static bool read_whole_tail(struct backend *backend, const char *name, struct pack_ends *ends, struct err **errp)
{
	uint64_t needed;
	if (!backend_get_tail(backend, name, ends->tail, PACK_TAIL_READ, &ends->tail_len, &ends->size, errp) ||
	    !pack_footer_extent(SPAN(ends->tail, ends->tail_len), ends->size, &needed, errp))
		return false;
	if (needed <= ends->tail_len)
		return true;
	uint8_t *larger = malloc(needed);
	if (!larger)
		return err_set_no_memory(errp);
	free(ends->tail);
	ends->tail = larger;
	ends->tail_len = needed;
	return backend_get_range(backend, name, ends->size - needed, larger, needed, errp);
}

static bool read_ends(struct backend *backend, const char *name, struct pack_ends *ends, struct err **errp)
{
	ends->tail = malloc(PACK_TAIL_READ);
	if (!ends->tail)
		return err_set_no_memory(errp);
	if (!read_whole_tail(backend, name, ends, errp))
		return false;
	if (ends->tail_len < ends->size)
		return backend_get_range(backend, name, 0, ends->head, PACK_HEAD_SIZE, errp);
	memcpy(ends->head, ends->tail, PACK_HEAD_SIZE);
	return true;
}

static bool fetch(const struct repository *repository, const char *name, enum pack_class cls,
		  const struct session_id *session, uint32_t seq, struct pack_footer *ret, struct err **errp)
{
	AUTO(pack_ends_release) struct pack_ends ends = {0};
	if (!read_ends(repository_backend(repository), name, &ends, errp))
		return pack_err(errp, cls, session, seq);
	return pack_footer_open(repository, cls, session, seq, SPAN_OF(ends.head), SPAN(ends.tail, ends.tail_len),
				ends.size, ret, errp);
}

bool pack_footer_fetch(const struct repository *repository, enum pack_class cls, const struct session_id *session,
		       uint32_t seq, struct pack_footer *ret, struct err **errp)
{
	char name[OBJECT_NAME_SIZE];
	object_name_pack(cls, session, seq, name);
	return fetch(repository, name, cls, session, seq, ret, errp) ||
	       (backend_read_again(repository_backend(repository), name, errp) &&
		fetch(repository, name, cls, session, seq, ret, errp));
}

void pack_footer_release(struct pack_footer *footer)
{
	free(footer->keyslots);
	free(footer->entries);
	*footer = (struct pack_footer){0};
}
