/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Adding a member: its key file is durable before the keyring that names it, so that no keyring knows a key that nobody
 * holds. When another admin was faster with that number of keyring, the whole is built again on his. The new identity
 * stays the same.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "storage/repository_internal.h"

static bool nothing_to_see(void *arg, const struct keyring *keyring, struct err **errp)
{
	(void)arg;
	(void)keyring;
	(void)errp;
	return true;
}

/* The newest keyring, which may be newer than the repository's, and which the caller changes. */
static bool load_newest(const struct repository *repository, struct keyring *ret, struct err **errp)
{
	return keyring_walk(repository->backend, &repository->config, repository->material + KEY_SIZE, nothing_to_see,
			    NULL, ret, errp);
}

static bool append_member(struct keyring *keyring, const struct keyring_member *member, struct err **errp)
{
	struct keyring_member *members = reallocarray(keyring->members, keyring->n_members + 1, sizeof(*members));
	if (!members)
		return err_set_no_memory(errp);
	keyring->members = members;
	members[keyring->n_members++] = *member;
	return true;
}

static const struct keyring_grant *own_grant(const struct repository *repository, const struct keyring_key *key)
{
	for (size_t i = 0; i < key->n_grants; i++)
		if (memcmp(key->grants[i].id8, repository->identity.id8, WRITER_SIZE) == 0)
			return &key->grants[i];
	return NULL;
}

/* Passes one secret on, from our grant to the member. A key that we do not hold cannot be passed on. */
static bool pass_on(const struct repository *repository, struct keyring_key *key, enum grant_kind kind,
		    const struct keyring_member *member, struct err **errp)
{
	uint8_t secret[KEY_SIZE];
	const uint8_t *domain = repository->config.domain;
	const struct keyring_grant *own = own_grant(repository, key);
	if (!own)
		return true;
	if (!grant_open(domain, kind, key->number, &repository->identity, own, secret, errp))
		return false;
	struct keyring_grant *grants = reallocarray(key->grants, key->n_grants + 1, sizeof(*grants));
	if (grants)
		key->grants = grants;
	bool done = (grants || err_set_no_memory(errp)) &&
		    grant_make(domain, kind, key->number, member, secret, &grants[key->n_grants], errp);
	crypto_wipe(secret, sizeof(secret));
	key->n_grants += done;
	return done;
}

static bool grant_all(const struct repository *repository, struct keyring *keyring, const struct keyring_member *member,
		      struct err **errp)
{
	for (size_t i = 0; i < keyring->n_metadata; i++)
		if (!pass_on(repository, &keyring->metadata[i], GRANT_METADATA, member, errp))
			return false;
	for (size_t i = 0; (member->roles & ROLE_READ) && i < keyring->n_epochs; i++)
		if (!pass_on(repository, &keyring->epochs[i], GRANT_EPOCH, member, errp))
			return false;
	return true;
}

/* Whether a member of that name may be added, by us, to that keyring. */
static bool check_addition(const struct repository *repository, const struct keyring *keyring, const char *name,
			   struct err **errp)
{
	if (!keyring_allows(keyring, repository->identity.id8, ROLE_ADMIN, 0))
		return err_set(errp, ERR_DENIED, "this key may not add keys: it has no role admin");
	if (keyring_find_name(keyring, name))
		return err_set(errp, ERR_EXISTS, "there is a key named '%s' already", name);
	return true;
}

/* Makes of the newest keyring the next one. */
static bool extend(const struct repository *repository, const struct keyring_member *member, struct keyring *keyring,
		   struct err **errp)
{
	if (!check_addition(repository, keyring, member->name, errp))
		return false;
	memcpy(keyring->previous_hash, keyring->hash, HASH_SIZE);
	keyring->n++;
	keyring->time_ns = clock_now_ns();
	return append_member(keyring, member, errp) && grant_all(repository, keyring, member, errp);
}

/* How far a failed addition came. */
enum outcome {
	NOT_WRITTEN,
	TAKEN,	   /* another admin wrote a keyring of that number meanwhile */
	UNCERTAIN, /* the keyring may be there, although its writing failed */
};

static bool try_add(const struct repository *repository, const struct keyring_member *member, enum outcome *ret_outcome,
		    struct err **errp)
{
	char name[OBJECT_NAME_SIZE];
	AUTO(keyring_release) struct keyring keyring = {0};
	AUTO(bytes_release) struct bytes object = {0};
	*ret_outcome = NOT_WRITTEN;
	if (!load_newest(repository, &keyring, errp) || !extend(repository, member, &keyring, errp) ||
	    !keyring_seal(&keyring, &repository->identity, repository->config.domain, &object, errp))
		return false;
	if (backend_put_once(repository->backend, object_name_keyring(keyring.n, name), bytes_span(&object), errp))
		return true;
	if (err_code(*errp) != ERR_DENIED)
		*ret_outcome = err_code(*errp) == ERR_EXISTS ? TAKEN : UNCERTAIN;
	return false;
}

static bool write_key_file(const struct repository *repository, const struct identity *identity,
			   const struct keyring_member *member, const char *out, struct err **errp)
{
	char roles[40];
	uint8_t material[MATERIAL_SIZE];
	AUTO(freep)
	char *comment = file_format("Key of '%s' to the Salvor repository %s.\nRoles: %s.", member->name,
				    repository->url, role_text(member->roles, roles));
	if (!comment)
		return err_set_no_memory(errp);
	memcpy(material, identity->secret, KEY_SIZE);
	memcpy(material + KEY_SIZE, repository->material + KEY_SIZE, HASH_SIZE);
	bool done = key_file_write(out, comment, material, errp);
	crypto_wipe(material, sizeof(material));
	return done;
}

static bool check_request(const struct repository *repository, const char *name, unsigned roles, struct err **errp)
{
	AUTO(keyring_release) struct keyring newest = {0};
	if (!keyring_check_name(name, errp) || !repository_check_writable(repository, errp))
		return false;
	if (roles == 0)
		return err_set(errp, ERR_USAGE, "a key needs a role");
	return load_newest(repository, &newest, errp) && check_addition(repository, &newest, name, errp);
}

/* Until it is in, or fails for another reason than another admin's haste. */
static bool add_member(const struct repository *repository, const struct keyring_member *member,
		       enum outcome *ret_outcome, struct err **errp)
{
	while (!try_add(repository, member, ret_outcome, errp)) {
		if (*ret_outcome != TAKEN)
			return false;
		err_clear(errp);
	}
	return true;
}

static bool add_identity(const struct repository *repository, const struct identity *identity, const char *name,
			 unsigned roles, const char *out, struct err **errp)
{
	struct keyring_member member;
	enum outcome outcome;
	keyring_member_init(&member, identity, name, roles);
	if (!write_key_file(repository, identity, &member, out, errp))
		return false;
	if (add_member(repository, &member, &outcome, errp))
		return true;
	if (outcome == NOT_WRITTEN)
		unlink(out);
	return false;
}

bool repository_add_key(struct repository *repository, const char *name, unsigned roles, const char *out,
			struct err **errp)
{
	struct identity identity;
	uint8_t secret[KEY_SIZE];
	if (!check_request(repository, name, roles, errp) || !crypto_random(secret, sizeof(secret), errp))
		return false;
	bool done = identity_from_secret(secret, &identity, errp) &&
		    add_identity(repository, &identity, name, roles, out, errp);
	crypto_wipe(secret, sizeof(secret));
	identity_wipe(&identity);
	return done;
}
