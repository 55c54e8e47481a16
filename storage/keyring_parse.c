/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts are held against their limit, and against the bytes that are left, before anything is allocated for them: what
 * is allocated stays within a few times the object's size.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/utf8.h"
#include "storage/keyring_internal.h"
#include "storage/signed_object.h"

static bool damaged(struct err **errp, const char *what)
{
	return err_set(errp, ERR_CORRUPT, "%s", what);
}

/* Zeroed room for a list of n things; NULL with an error. */
static void *list_new(const struct cursor *cursor, size_t n, size_t max, size_t encoded_min, size_t size,
		      struct err **errp)
{
	if (!cursor_ok(cursor) || n > max || n > cursor->left / encoded_min) {
		damaged(errp, "it has a count beyond its limit");
		return NULL;
	}
	void *list = calloc(n > 0 ? n : 1, size);
	if (!list)
		err_set_no_memory(errp);
	return list;
}

static bool parse_header(struct cursor *cursor, struct keyring *keyring, struct err **errp)
{
	struct span magic = cursor_take(cursor, KEYRING_MAGIC_SIZE);
	uint16_t version = cursor_u16(cursor), reserved = cursor_u16(cursor);
	keyring->n = cursor_u32(cursor);
	cursor_copy(cursor, keyring->config_hash, HASH_SIZE);
	cursor_copy(cursor, keyring->previous_hash, HASH_SIZE);
	keyring->time_ns = cursor_u64(cursor);
	if (!cursor_ok(cursor) || memcmp(magic.data, KEYRING_MAGIC, KEYRING_MAGIC_SIZE) != 0)
		return damaged(errp, "it is not a keyring");
	if (version != KEYRING_VERSION || reserved != 0)
		return damaged(errp, "it is of a version that this program does not know");
	return true;
}

static bool parse_member(struct cursor *cursor, struct keyring_member *member, struct err **errp)
{
	cursor_copy(cursor, member->sign_public, PUBLIC_SIZE);
	cursor_copy(cursor, member->seal_public, PUBLIC_SIZE);
	member->roles = cursor_u16(cursor);
	uint16_t reserved = cursor_u16(cursor);
	member->revoked_from = cursor_u64(cursor);
	struct span name = cursor_take(cursor, cursor_u16(cursor));
	if (!cursor_ok(cursor) || (member->roles & ~(unsigned)KEYRING_ROLES) || reserved != 0)
		return damaged(errp, "a member is cut off, or has a role that this program does not know");
	if (name.len < 1 || name.len > KEYRING_NAME_MAX || !utf8_is_text(name))
		return damaged(errp, "a member has no proper name");
	memcpy(member->name, name.data, name.len);
	return identity_id8(member->sign_public, member->seal_public, member->id8, errp);
}

static bool parse_members(struct cursor *cursor, struct keyring *keyring, struct err **errp)
{
	size_t n = cursor_u16(cursor);
	keyring->members =
		list_new(cursor, n, KEYRING_MEMBERS_MAX, KEYRING_MEMBER_MIN, sizeof(*keyring->members), errp);
	if (!keyring->members)
		return false;
	for (; keyring->n_members < n; keyring->n_members++)
		if (!parse_member(cursor, &keyring->members[keyring->n_members], errp))
			return false;
	return n > 0 || damaged(errp, "it has no members");
}

static bool parse_grants(struct cursor *cursor, struct keyring_key *key, struct err **errp)
{
	size_t n = cursor_u16(cursor);
	key->grants = list_new(cursor, n, KEYRING_MEMBERS_MAX, KEYRING_GRANT_SIZE, sizeof(*key->grants), errp);
	if (!key->grants)
		return false;
	key->n_grants = n;
	for (size_t i = 0; i < n; i++) {
		cursor_copy(cursor, key->grants[i].id8, WRITER_SIZE);
		cursor_copy(cursor, key->grants[i].enc, sizeof(key->grants[i].enc));
		cursor_copy(cursor, key->grants[i].sealed, sizeof(key->grants[i].sealed));
	}
	return cursor_ok(cursor) || damaged(errp, "it is cut off");
}

static bool parse_keys(struct cursor *cursor, size_t public_size, struct keyring_key **ret, size_t *ret_n,
		       struct err **errp)
{
	size_t n = cursor_u16(cursor);
	*ret = list_new(cursor, n, KEYRING_KEYS_MAX, 4 + public_size + 2, sizeof(**ret), errp);
	if (!*ret)
		return false;
	for (; *ret_n < n; ++*ret_n) {
		struct keyring_key *key = &(*ret)[*ret_n];
		key->number = cursor_u32(cursor);
		cursor_copy(cursor, key->public_key, public_size);
		if (key->number != *ret_n + 1)
			return damaged(errp, "the numbers of its keys do not ascend from 1");
		if (!parse_grants(cursor, key, errp))
			return false;
	}
	return n > 0 || damaged(errp, "it has no key");
}

static bool parse(struct span object, struct keyring *keyring, struct err **errp)
{
	struct span body;
	struct cursor cursor;
	uint8_t signer[WRITER_SIZE];
	if (object.len > KEYRING_MAX_BYTES || !signed_object_split(object, &body, signer))
		return damaged(errp, "it is too short or too long for a keyring");
	cursor_init(&cursor, body);
	return crypto_sha256(&object, 1, keyring->hash, errp) && parse_header(&cursor, keyring, errp) &&
	       parse_members(&cursor, keyring, errp) &&
	       parse_keys(&cursor, PUBLIC_SIZE, &keyring->epochs, &keyring->n_epochs, errp) &&
	       parse_keys(&cursor, 0, &keyring->metadata, &keyring->n_metadata, errp) &&
	       (cursor_done(&cursor) || damaged(errp, "it has bytes behind its end")) &&
	       keyring_check_unique(keyring, errp);
}

bool keyring_parse(struct span object, struct keyring *ret, struct err **errp)
{
	AUTO(keyring_release) struct keyring keyring = {0};
	if (!parse(object, &keyring, errp))
		return false;
	*ret = keyring;
	keyring = (struct keyring){0};
	return true;
}
