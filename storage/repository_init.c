/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a repository. Everything is computed first; then the durable steps, each create-once:
 *
 *   1. recovery key file   nothing but a key to nothing
 *   2. config              an unfinished repository: open says so, and a second init refuses
 *   3. s/owner             the same
 *   4. k/00000000          a whole repository: this one object decides
 *
 * A crash between two steps leaves what stands behind the first of them. A failure before step 4 takes back what was
 * made; in step 4 it takes nothing back, since the keyring may have come to be although its writing failed.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "storage/repository_internal.h"
#include "storage/slot.h"

enum { OWNER, RECOVERY, IDENTITIES };

static const unsigned roles[IDENTITIES] = {
	[OWNER] = ROLE_ADMIN | ROLE_WRITE | ROLE_READ | ROLE_COLLECT | ROLE_SOURCE,
	[RECOVERY] = ROLE_ADMIN | ROLE_READ | ROLE_COLLECT,
};

/* All that init makes, before any of it is written. */
struct plan {
	struct identity identities[IDENTITIES];
	size_t n;
	struct config config;
	uint8_t config_object[CONFIG_SIZE], slot_object[SLOT_SIZE];
	struct keyring keyring;
	struct bytes keyring_object;
	uint8_t material[IDENTITIES][MATERIAL_SIZE];
};

static void plan_release(struct plan *plan)
{
	keyring_release(&plan->keyring);
	bytes_release(&plan->keyring_object);
	crypto_wipe(plan, sizeof(*plan));
}

static bool make_identity(struct identity *ret, struct err **errp)
{
	uint8_t secret[KEY_SIZE];
	bool done = crypto_random(secret, sizeof(secret), errp) && identity_from_secret(secret, ret, errp);
	crypto_wipe(secret, sizeof(secret));
	return done;
}

static bool make_members(struct plan *plan, const char *owner_name, struct err **errp)
{
	const char *const names[IDENTITIES] = {[OWNER] = owner_name, [RECOVERY] = "recovery"};
	const size_t n = plan->n;
	assert(n <= IDENTITIES);
	plan->keyring.members = calloc(n, sizeof(*plan->keyring.members));
	if (!plan->keyring.members)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < n; i++) {
		if (!make_identity(&plan->identities[i], errp))
			return false;
		keyring_member_init(&plan->keyring.members[i], &plan->identities[i], names[i], roles[i]);
		plan->keyring.n_members++;
	}
	return true;
}

/* One key with its secret granted to every member. */
static bool make_key(struct plan *plan, enum grant_kind kind, struct keyring_key **ret, size_t *ret_n,
		     struct err **errp)
{
	uint8_t secret[KEY_SIZE];
	struct keyring_key *key = *ret = calloc(1, sizeof(*key));
	if (!key || !(key->grants = calloc(plan->n, sizeof(*key->grants))))
		return err_set_no_memory(errp);
	*ret_n = 1;
	key->number = 1;
	bool done = crypto_random(secret, sizeof(secret), errp) &&
		    (kind == GRANT_METADATA || crypto_x25519_public(secret, key->public_key, errp));
	for (; done && key->n_grants < plan->n; key->n_grants += done)
		done = grant_make(plan->config.domain, kind, 1, &plan->keyring.members[key->n_grants], secret,
				  &key->grants[key->n_grants], errp);
	crypto_wipe(secret, sizeof(secret));
	return done;
}

static bool make_keyring(struct plan *plan, const char *owner_name, struct err **errp)
{
	struct keyring *keyring = &plan->keyring;
	memcpy(keyring->config_hash, plan->config.hash, HASH_SIZE);
	keyring->time_ns = clock_now_ns();
	if (!make_members(plan, owner_name, errp) ||
	    !make_key(plan, GRANT_EPOCH, &keyring->epochs, &keyring->n_epochs, errp) ||
	    !make_key(plan, GRANT_METADATA, &keyring->metadata, &keyring->n_metadata, errp) ||
	    !keyring_seal(keyring, &plan->identities[OWNER], plan->config.domain, &plan->keyring_object, errp))
		return false;
	for (size_t i = 0; i < plan->n; i++) {
		memcpy(plan->material[i], plan->identities[i].secret, KEY_SIZE);
		memcpy(plan->material[i] + KEY_SIZE, keyring->hash, HASH_SIZE);
	}
	return true;
}

static bool plan_make(struct plan *plan, const struct backend *backend, const struct repository_init *init,
		      struct err **errp)
{
	plan->n = init->recovery_key_file ? IDENTITIES : OWNER + 1;
	return config_make(backend_create_once(backend), &plan->config, plan->config_object, errp) &&
	       make_keyring(plan, init->owner_name, errp) &&
	       slot_make(init->passphrase, plan->material[OWNER], plan->slot_object, errp);
}

static bool write_recovery_key(const struct plan *plan, const struct repository_init *init, struct err **errp)
{
	char time[CLOCK_TEXT_SIZE];
	AUTO(freep)
	char *comment = file_format("Recovery key of the Salvor repository %s, made %s.\n"
				    "Whoever has this file and the repository can read every backup in it.\n"
				    "Keep it where neither the machine nor the repository can take it along.",
				    init->url ? init->url : "", clock_format(plan->config.created_ns, time));
	if (!comment)
		return err_set_no_memory(errp);
	if (key_file_write(init->recovery_key_file, comment, plan->material[RECOVERY], errp))
		return true;
	return err_code(*errp) == ERR_EXISTS ? err_prefix(errp, "move it away first, or choose another place") : false;
}

/* Takes back what a failed init made. What cannot be taken back makes an unfinished repository, which says so itself.
 */
static void take_back(struct backend *backend, const char *name)
{
	AUTO(err_freep) struct err *ignored = NULL;
	if (!backend_remove(backend, name, &ignored))
		err_clear(&ignored);
}

static bool write_plan(struct backend *backend, const struct plan *plan, const struct repository_init *init,
		       struct err **errp)
{
	if (init->recovery_key_file && !write_recovery_key(plan, init, errp))
		return false;
	if (!backend_put_once(backend, CONFIG_NAME, SPAN_OF(plan->config_object), errp))
		goto no_config;
	if (!backend_put_once(backend, OWNER_SLOT, SPAN_OF(plan->slot_object), errp))
		goto no_slot;
	return backend_put_once(backend, "k/00000000", bytes_span(&plan->keyring_object), errp);

no_slot:
	take_back(backend, CONFIG_NAME);
no_config:
	if (init->recovery_key_file)
		unlink(init->recovery_key_file);
	return false;
}

/* A backend_list_function: the first object decides. */
static bool refuse(void *arg, const char *name, uint64_t size, struct err **errp)
{
	(void)size;
	struct backend *backend = arg;
	uint64_t keyring_size;
	AUTO(err_freep) struct err *failure = NULL;
	if (backend_size(backend, "k/00000000", &keyring_size, &failure))
		return err_set(errp, ERR_EXISTS, "there is a repository already");
	if (err_code(failure) != ERR_NOT_FOUND)
		return err_move(errp, &failure);
	return err_set(errp, ERR_EXISTS,
		       "there is '%s' already: an unfinished repository, whose 'init' was interrupted, or something "
		       "else. Nothing was changed; "
		       "delete it, or choose another place",
		       name);
}

/* Names are checked before anything is made of them. */
static bool check_init(const struct repository_init *init, struct err **errp)
{
	if (init->passphrase.len == 0)
		return err_set(errp, ERR_USAGE, "the passphrase is empty");
	return keyring_check_name(init->owner_name, errp);
}

static bool init_steps(struct backend *backend, const struct repository_init *init, struct err **errp)
{
	AUTO(plan_release) struct plan plan = {0};
	return check_init(init, errp) && backend_list(backend, "", refuse, backend, errp) &&
	       plan_make(&plan, backend, init, errp) && write_plan(backend, &plan, init, errp);
}

bool repository_init_backend(struct backend *backend, const struct repository_init *init, struct err **errp)
{
	bool done = init_steps(backend, init, errp);
	backend_free(backend);
	return done;
}

bool repository_init(const struct repository_init *init, struct err **errp)
{
	if (!check_init(init, errp))
		return false;
	const struct backend_options options = {
		.create = true, .single_writer = init->single_writer, .cancel = init->cancel};
	struct backend *backend = backend_open(init->url, &options, errp);
	return backend && (repository_init_backend(backend, init, errp) || err_prefix(errp, "%s", init->url));
}
