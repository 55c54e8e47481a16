/* SPDX-License-Identifier: Apache-2.0 */
/* "Keyrings only add members and keys, and set revoked_from": each rule of a link of the chain is one function. */
#include <string.h>

#include "base/err.h"
#include "storage/keyring_internal.h"

static bool member_kept(const struct keyring_member *old, const struct keyring_member *now)
{
	bool revocation_kept = now->revoked_from == old->revoked_from || old->revoked_from == KEYRING_NOT_REVOKED;
	return memcmp(old->sign_public, now->sign_public, PUBLIC_SIZE) == 0 &&
	       memcmp(old->seal_public, now->seal_public, PUBLIC_SIZE) == 0 && old->roles == now->roles &&
	       strcmp(old->name, now->name) == 0 && revocation_kept;
}

static bool members_kept(const struct keyring *previous, const struct keyring *next)
{
	for (size_t i = 0; i < previous->n_members; i++) {
		const struct keyring_member *old = &previous->members[i];
		/* Nearly always it is in its old place. */
		bool in_place = i < next->n_members && memcmp(next->members[i].id8, old->id8, WRITER_SIZE) == 0;
		const struct keyring_member *now = in_place ? &next->members[i] : keyring_find(next, old->id8);
		if (!now || !member_kept(old, now))
			return false;
	}
	return true;
}

static bool keys_kept(const struct keyring_key *old, size_t n_old, const struct keyring_key *now, size_t n_now)
{
	if (n_now < n_old)
		return false;
	for (size_t i = 0; i < n_old; i++)
		if (memcmp(old[i].public_key, now[i].public_key, PUBLIC_SIZE) != 0 || now[i].n_grants < old[i].n_grants)
			return false;
	return true;
}

static bool check_first(const struct keyring *first, struct err **errp)
{
	if (first->n != 0 || !bytes_all_zero(first->previous_hash, HASH_SIZE))
		return err_set(errp, ERR_CORRUPT, "it is not the first keyring of a chain");
	return true;
}

static bool check_next(const struct keyring *previous, const struct keyring *next, struct err **errp)
{
	if (previous->n == UINT32_MAX || next->n != previous->n + 1 ||
	    memcmp(next->previous_hash, previous->hash, HASH_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "it does not continue the keyring before it");
	if (!members_kept(previous, next))
		return err_set(errp, ERR_CORRUPT, "it takes away or changes a member, which no keyring may");
	if (!keys_kept(previous->epochs, previous->n_epochs, next->epochs, next->n_epochs) ||
	    !keys_kept(previous->metadata, previous->n_metadata, next->metadata, next->n_metadata))
		return err_set(errp, ERR_CORRUPT, "it takes away or changes a key, which no keyring may");
	return true;
}

bool keyring_check_link(const struct keyring *previous, const struct keyring *next,
			const uint8_t config_hash[HASH_SIZE], const uint8_t signer[WRITER_SIZE], struct err **errp)
{
	if (memcmp(next->config_hash, config_hash, HASH_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "it belongs to another 'config' than the one that is there");
	if (!(previous ? check_next(previous, next, errp) : check_first(next, errp)))
		return false;
	if (!keyring_allows(previous ? previous : next, signer, ROLE_ADMIN, 0))
		return err_set(errp, ERR_CORRUPT, "it is not signed by an admin of the keyring before it");
	return true;
}
