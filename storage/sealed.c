/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/sealed.h"

#include "base/err.h"
#include "storage/dek.h"

static bool derive_key(const struct metadata_keys *keys, const struct sealed_name *name, uint8_t ret[KEY_SIZE],
		       struct err **errp)
{
	return crypto_hkdf(SPAN_OF(keys->meta), name->salt, name->label, ret, KEY_SIZE, errp);
}

bool sealed_append(const struct metadata_keys *keys, const struct sealed_name *name, struct span plain,
		   struct bytes *object, struct err **errp)
{
	uint8_t key[KEY_SIZE], nonce[NONCE_SIZE];
	size_t head_len = object->len;
	if (!bytes_ok(object))
		return err_set_no_memory(errp);
	if (!dek_nonce(keys, name->label, bytes_span(object), plain, nonce, errp) || !derive_key(keys, name, key, errp))
		return false;
	bytes_put(object, nonce, sizeof(nonce));
	uint8_t *to = bytes_extend(object, plain.len + TAG_SIZE);
	bool ok = to ? crypto_seal(key, nonce, SPAN(object->data, head_len), plain, to, errp) : err_set_no_memory(errp);
	crypto_wipe(key, sizeof(key));
	return ok;
}

bool sealed_open(const struct metadata_keys *keys, const struct sealed_name *name, struct span object, size_t head_size,
		 struct bytes *ret, struct err **errp)
{
	struct cursor cursor;
	cursor_init(&cursor, object);
	struct span head = cursor_take(&cursor, head_size), nonce = cursor_take(&cursor, NONCE_SIZE);
	struct span sealed = SPAN(cursor.at, cursor.left);
	uint8_t key[KEY_SIZE];
	if (!cursor_ok(&cursor) || sealed.len < TAG_SIZE)
		return err_set(errp, ERR_CORRUPT, "it is too short");
	uint8_t *to = bytes_extend(ret, sealed.len - TAG_SIZE);
	if (!bytes_ok(ret))
		return err_set_no_memory(errp);
	if (!derive_key(keys, name, key, errp))
		return false;
	bool ok = crypto_open(key, nonce.data, head, sealed, to, errp);
	crypto_wipe(key, sizeof(key));
	return ok;
}
