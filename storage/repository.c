/* SPDX-License-Identifier: Apache-2.0 */
/* What an open repository says of itself. */
#include "storage/repository.h"

#include <string.h>

#include "base/err.h"
#include "storage/repository_internal.h"
#include "storage/signed_object.h"

struct backend *repository_backend(const struct repository *repository)
{
	return repository->backend;
}

const uint8_t *repository_domain(const struct repository *repository)
{
	return repository->config.domain;
}

const struct keyring *repository_keyring(const struct repository *repository)
{
	return &repository->keyring;
}

const struct identity *repository_identity(const struct repository *repository)
{
	return &repository->identity;
}

const char *repository_state_path(const struct repository *repository)
{
	return repository->state_path;
}

bool repository_memory_was_damaged(const struct repository *repository)
{
	return repository->memory_damaged;
}

const char *repository_url(const struct repository *repository)
{
	return repository->url;
}

uint64_t repository_limit_rate(const struct repository *repository)
{
	return repository->limit_rate;
}

const struct backend_cache_options *repository_cache(const struct repository *repository)
{
	return &repository->cache;
}

const uint8_t *repository_material(const struct repository *repository)
{
	return repository->material;
}

bool repository_may(const struct repository *repository, enum role role)
{
	return keyring_allows(&repository->keyring, repository->identity.id8, role, 0);
}

bool repository_check_writable(const struct repository *repository, struct err **errp)
{
	return repository->config.min_writer <= FORMAT_VERSION ||
	       err_set(errp, ERR_UNSUPPORTED,
		       "the repository needs a writer of format %u; this program knows format %d, and may only read",
		       repository->config.min_writer, FORMAT_VERSION);
}

bool repository_check_readable(const struct repository *repository, struct err **errp)
{
	return repository_may(repository, ROLE_READ) || err_set(errp, ERR_DENIED,
								"this key may not read what is stored: name one with "
								"the role read, as the recovery key, with --key");
}

const struct metadata_keys *repository_metadata(const struct repository *repository)
{
	return &repository->metadata[repository->n_metadata - 1];
}

const struct metadata_keys *repository_metadata_at(const struct repository *repository, uint32_t r)
{
	for (size_t i = 0; i < repository->n_metadata; i++)
		if (repository->metadata[i].r == r)
			return &repository->metadata[i];
	return NULL;
}

bool repository_epoch_secret(const struct repository *repository, uint32_t epoch, uint8_t ret[KEY_SIZE])
{
	for (size_t i = 0; i < repository->n_epochs; i++) {
		if (repository->epochs[i].number != epoch)
			continue;
		memcpy(ret, repository->epochs[i].secret, KEY_SIZE);
		return true;
	}
	return false;
}

uint32_t repository_epoch_newest(const struct repository *repository, uint8_t ret_public[PUBLIC_SIZE])
{
	const struct keyring_key *newest = &repository->keyring.epochs[repository->keyring.n_epochs - 1];
	memcpy(ret_public, newest->public_key, PUBLIC_SIZE);
	return newest->number;
}

/* Somebody who joined after this was opened is no stranger. */
static bool judge_stranger(const struct repository *repository, struct err **errp)
{
	char next[OBJECT_NAME_SIZE];
	uint64_t size;
	AUTO(err_freep) struct err *failure = NULL;
	if (backend_size(repository->backend, object_name_keyring(repository->keyring.n + 1, next), &size, &failure))
		return err_set(errp, ERR_BUSY,
			       "its signer may have joined since the repository was opened: open it again");
	if (err_code(failure) != ERR_NOT_FOUND)
		return err_move(errp, &failure);
	return err_set(errp, ERR_CORRUPT, "it is signed by nobody in the keyring");
}

static bool check_signature(const struct repository *repository, const char *name, struct span object,
			    struct span *ret_body, uint8_t ret_signer[WRITER_SIZE], struct err **errp)
{
	if (!signed_object_split(object, ret_body, ret_signer))
		return err_set(errp, ERR_CORRUPT, "it is too short for a signature");
	const struct keyring_member *member = keyring_find(&repository->keyring, ret_signer);
	if (!member)
		return judge_stranger(repository, errp);
	return signed_object_check(member->sign_public, repository->config.domain, name, object, errp);
}

static bool check_role(const struct repository *repository, const uint8_t signer[WRITER_SIZE], enum role role,
		       uint64_t number, struct err **errp)
{
	char text[40];
	return keyring_allows(&repository->keyring, signer, role, number) ||
	       err_set(errp, ERR_CORRUPT, "it is signed by '%s', who has no role %s for it",
		       keyring_find(&repository->keyring, signer)->name, role_text(role, text));
}

static bool name_object(const char *name, struct err **errp)
{
	err_about(errp, "%s", name);
	return err_prefix(errp, "object '%s'", name);
}

bool repository_check_signature(const struct repository *repository, const char *name, struct span object,
				struct span *ret_body, uint8_t ret_signer[WRITER_SIZE], struct err **errp)
{
	return check_signature(repository, name, object, ret_body, ret_signer, errp) || name_object(name, errp);
}

bool repository_check_signed(const struct repository *repository, const char *name, struct span object, enum role role,
			     uint64_t number, struct span *ret_body, uint8_t ret_signer[WRITER_SIZE], struct err **errp)
{
	return (check_signature(repository, name, object, ret_body, ret_signer, errp) &&
		check_role(repository, ret_signer, role, number, errp)) ||
	       name_object(name, errp);
}
