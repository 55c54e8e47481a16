/* SPDX-License-Identifier: Apache-2.0 */
/* Grants: how the secrets of epochs and the metadata keys reach each member, see docs/format.md, Keys. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/hpke.h"
#include "storage/repository_internal.h"

#define LABEL "salvor grant 1"

enum { LABEL_SIZE = sizeof(LABEL) - 1, INFO_SIZE = LABEL_SIZE + DOMAIN_SIZE + 1 + 4 };

static void store_info(const uint8_t domain[DOMAIN_SIZE], enum grant_kind kind, uint32_t number, uint8_t ret[INFO_SIZE])
{
	memcpy(ret, LABEL, LABEL_SIZE);
	memcpy(ret + LABEL_SIZE, domain, DOMAIN_SIZE);
	ret[LABEL_SIZE + DOMAIN_SIZE] = (uint8_t)kind;
	bytes_store_le32(ret + LABEL_SIZE + DOMAIN_SIZE + 1, number);
}

bool grant_make(const uint8_t domain[DOMAIN_SIZE], enum grant_kind kind, uint32_t number,
		const struct keyring_member *member, const uint8_t secret[KEY_SIZE], struct keyring_grant *ret,
		struct err **errp)
{
	uint8_t ephemeral[KEY_SIZE], info[INFO_SIZE];
	store_info(domain, kind, number, info);
	memcpy(ret->id8, member->id8, WRITER_SIZE);
	bool done = crypto_random(ephemeral, sizeof(ephemeral), errp) &&
		    hpke_seal(member->seal_public, ephemeral, SPAN_OF(info), SPAN(member->id8, WRITER_SIZE), secret,
			      ret->enc, ret->sealed, errp);
	crypto_wipe(ephemeral, sizeof(ephemeral));
	return done;
}

bool grant_open(const uint8_t domain[DOMAIN_SIZE], enum grant_kind kind, uint32_t number,
		const struct identity *identity, const struct keyring_grant *grant, uint8_t ret_secret[KEY_SIZE],
		struct err **errp)
{
	uint8_t info[INFO_SIZE];
	store_info(domain, kind, number, info);
	return hpke_open(identity->seal_secret, grant->enc, SPAN_OF(info), SPAN(identity->id8, WRITER_SIZE),
			 grant->sealed, ret_secret, errp) ||
	       err_prefix(errp, "the keyring's grant of %s key %" PRIu32, kind == GRANT_EPOCH ? "content" : "metadata",
			  number);
}

static const struct keyring_grant *find_grant(const struct keyring_key *key, const uint8_t id8[WRITER_SIZE])
{
	for (size_t i = 0; i < key->n_grants; i++)
		if (memcmp(key->grants[i].id8, id8, WRITER_SIZE) == 0)
			return &key->grants[i];
	return NULL;
}

static bool open_epoch(struct repository *repository, const struct keyring_key *key, struct err **errp)
{
	const struct keyring_grant *grant = find_grant(key, repository->identity.id8);
	if (!grant)
		return true;
	struct epoch_secret *epoch = &repository->epochs[repository->n_epochs];
	uint8_t public_key[PUBLIC_SIZE];
	if (!grant_open(repository->config.domain, GRANT_EPOCH, key->number, &repository->identity, grant,
			epoch->secret, errp) ||
	    !crypto_x25519_public(epoch->secret, public_key, errp))
		return false;
	if (memcmp(public_key, key->public_key, PUBLIC_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "the secret of content epoch %" PRIu32 " does not fit its public key",
			       key->number);
	epoch->number = key->number;
	repository->n_epochs++;
	return true;
}

static bool derive(const uint8_t secret[KEY_SIZE], const uint8_t domain[DOMAIN_SIZE], uint32_t r,
		   struct metadata_keys *ret, struct err **errp)
{
	const struct span from = SPAN(secret, KEY_SIZE), salt = SPAN(domain, DOMAIN_SIZE);
	ret->r = r;
	return crypto_hkdf(from, salt, SPAN_TEXT("salvor id"), ret->id, KEY_SIZE, errp) &&
	       crypto_hkdf(from, salt, SPAN_TEXT("salvor meta"), ret->meta, KEY_SIZE, errp) &&
	       crypto_hkdf(from, salt, SPAN_TEXT("salvor nonce"), ret->nonce, KEY_SIZE, errp);
}

static bool open_metadata(struct repository *repository, const struct keyring_key *key, struct err **errp)
{
	const struct keyring_grant *grant = find_grant(key, repository->identity.id8);
	if (!grant)
		return true;
	uint8_t secret[KEY_SIZE];
	const uint8_t *domain = repository->config.domain;
	struct metadata_keys *keys = &repository->metadata[repository->n_metadata];
	bool done = grant_open(domain, GRANT_METADATA, key->number, &repository->identity, grant, secret, errp) &&
		    derive(secret, domain, key->number, keys, errp);
	crypto_wipe(secret, sizeof(secret));
	repository->n_metadata += done;
	return done;
}

bool repository_open_grants(struct repository *repository, struct err **errp)
{
	const struct keyring *keyring = &repository->keyring;
	repository->epochs = calloc(keyring->n_epochs, sizeof(*repository->epochs));
	repository->metadata = calloc(keyring->n_metadata, sizeof(*repository->metadata));
	if (!repository->epochs || !repository->metadata)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < keyring->n_epochs; i++)
		if (!open_epoch(repository, &keyring->epochs[i], errp))
			return false;
	for (size_t i = 0; i < keyring->n_metadata; i++)
		if (!open_metadata(repository, &keyring->metadata[i], errp))
			return false;
	uint32_t newest = keyring->metadata[keyring->n_metadata - 1].number;
	if (repository->n_metadata == 0 || repository->metadata[repository->n_metadata - 1].r != newest)
		return err_set(errp, ERR_DENIED,
			       "this key was not given the newest metadata key: its holder was removed");
	return true;
}

void repository_forget_grants(struct repository *repository)
{
	if (repository->epochs)
		crypto_wipe(repository->epochs, repository->n_epochs * sizeof(*repository->epochs));
	if (repository->metadata)
		crypto_wipe(repository->metadata, repository->n_metadata * sizeof(*repository->metadata));
	free(repository->epochs);
	free(repository->metadata);
}
