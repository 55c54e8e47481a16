/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "storage/keyring_internal.h"
#include "storage/signed_object.h"

static void put_member(struct bytes *bytes, const struct keyring_member *member)
{
	bytes_put(bytes, member->sign_public, PUBLIC_SIZE);
	bytes_put(bytes, member->seal_public, PUBLIC_SIZE);
	bytes_u16(bytes, (uint16_t)member->roles);
	bytes_u16(bytes, 0);
	bytes_u64(bytes, member->revoked_from);
	bytes_text(bytes, member->name);
}

static void put_keys(struct bytes *bytes, const struct keyring_key *keys, size_t n, size_t public_size)
{
	bytes_u16(bytes, (uint16_t)n);
	for (size_t i = 0; i < n; i++) {
		bytes_u32(bytes, keys[i].number);
		bytes_put(bytes, keys[i].public_key, public_size);
		bytes_u16(bytes, (uint16_t)keys[i].n_grants);
		for (size_t k = 0; k < keys[i].n_grants; k++) {
			bytes_put(bytes, keys[i].grants[k].id8, WRITER_SIZE);
			bytes_put(bytes, keys[i].grants[k].enc, sizeof(keys[i].grants[k].enc));
			bytes_put(bytes, keys[i].grants[k].sealed, sizeof(keys[i].grants[k].sealed));
		}
	}
}

bool keyring_encode(const struct keyring *keyring, struct bytes *ret, struct err **errp)
{
	if (keyring->n_members > KEYRING_MEMBERS_MAX || keyring->n_epochs > KEYRING_KEYS_MAX ||
	    keyring->n_metadata > KEYRING_KEYS_MAX)
		return err_set(errp, ERR_FAILED, "a keyring has at most %d members and %d keys", KEYRING_MEMBERS_MAX,
			       KEYRING_KEYS_MAX);
	bytes_init(ret, KEYRING_MAX_BYTES);
	bytes_put(ret, KEYRING_MAGIC, KEYRING_MAGIC_SIZE);
	bytes_u16(ret, KEYRING_VERSION);
	bytes_u16(ret, 0);
	bytes_u32(ret, keyring->n);
	bytes_put(ret, keyring->config_hash, HASH_SIZE);
	bytes_put(ret, keyring->previous_hash, HASH_SIZE);
	bytes_u64(ret, keyring->time_ns);
	bytes_u16(ret, (uint16_t)keyring->n_members);
	for (size_t i = 0; i < keyring->n_members; i++)
		put_member(ret, &keyring->members[i]);
	put_keys(ret, keyring->epochs, keyring->n_epochs, PUBLIC_SIZE);
	put_keys(ret, keyring->metadata, keyring->n_metadata, 0);
	if (bytes_ok(ret) && ret->len <= KEYRING_MAX_BYTES - SIGNED_TRAILER_SIZE)
		return true;
	bytes_release(ret);
	return err_set(errp, ERR_FAILED, "the keyring would be larger than %u bytes", KEYRING_MAX_BYTES);
}
