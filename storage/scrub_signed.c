/* SPDX-License-Identifier: Apache-2.0 */
/* Everything but packs and commits: configuration, keyrings, slots, registrations, collections, receipts, lists,
 * traces. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/receipt.h"
#include "storage/registration.h"
#include "storage/scrub_state.h"
#include "storage/slot.h"
#include "storage/trace.h"

#define SMALL_MAX_BYTES 4096u

static const struct scrub_cause nobody;

static bool check_config(struct scrub *scrub, struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	uint8_t hash[HASH_SIZE];

	if (!backend_get(repository_backend(scrub->repository), "config", SMALL_MAX_BYTES, &object, errp))
		return scrub_take_error(scrub, &nobody, "config", errp);
	scrub_count(scrub, object.len);
	struct span bytes = bytes_span(&object);
	if (!crypto_sha256(&bytes, 1, hash, errp))
		return false;
	return memcmp(hash, repository_keyring(scrub->repository)->config_hash, sizeof(hash)) == 0 ||
	       scrub_damaged(scrub, &nobody, "config", "config: is not what the keyring says", errp);
}

/* *hash is what it must have, and becomes what the one before must have. */
static bool check_keyring(struct scrub *scrub, const char *name, uint8_t hash[HASH_SIZE], struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(keyring_release) struct keyring keyring = {0};

	if (!backend_get(repository_backend(scrub->repository), name, KEYRING_MAX_BYTES, &object, errp))
		return false;
	scrub_count(scrub, object.len);
	if (!keyring_parse(bytes_span(&object), &keyring, errp))
		return err_prefix(errp, "%s", name);
	if (memcmp(keyring.hash, hash, HASH_SIZE) != 0)
		return err_set(errp, ERR_CORRUPT, "%s: is not the keyring that the next one follows", name);
	memcpy(hash, keyring.previous_hash, HASH_SIZE);
	return true;
}

/* The newest was proved when the repository was opened; each names the hash of the one before. */
static bool check_keyrings(struct scrub *scrub, struct err **errp)
{
	const struct keyring *newest = repository_keyring(scrub->repository);
	char name[OBJECT_NAME_SIZE];
	uint8_t hash[HASH_SIZE];

	memcpy(hash, newest->hash, sizeof(hash));
	for (uint32_t n = newest->n + 1; n > 0; n--) {
		object_name_keyring(n - 1, name);
		if (!check_keyring(scrub, name, hash, errp))
			return scrub_take_error(scrub, &nobody, name, errp);
	}
	return true;
}

/* A slot lets its passphrase be guessed, so a good policy keeps it from hosts that only write. */
static bool each_slot(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	AUTO(bytes_release) struct bytes object = {0};
	struct slot slot;

	bool got = backend_get(repository_backend(scrub->repository), name, SMALL_MAX_BYTES, &object, errp);
	if (!got && err_code(*errp) == ERR_DENIED) {
		err_clear(errp);
		scrub->report.slots_refused++;
		return true;
	}
	scrub_count(scrub, size);
	return (got && slot_parse(bytes_span(&object), &slot, errp)) || scrub_take_error(scrub, &nobody, name, errp);
}

static bool each_registration(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	struct scrub_cause cause = {0};
	struct registration registration;

	scrub_count(scrub, size);
	if (!object_name_parse_session('w', name, &cause.session))
		return scrub_damaged(scrub, &nobody, name, "not a name of a registration", errp);
	return registration_load(scrub->repository, &cause.session, &registration, errp) ||
	       scrub_take_error(scrub, &cause, name, errp);
}

static bool add_packs(struct scrub *scrub, const struct list *list, struct err **errp)
{
	size_t needed = scrub->n_packs + list->n;

	if (needed > scrub->packs_capacity) {
		size_t capacity = needed + needed / 2;
		struct scrub_pack *packs = reallocarray(scrub->packs, capacity, sizeof(*packs));
		if (!packs)
			return err_set_no_memory(errp);
		scrub->packs = packs;
		scrub->packs_capacity = capacity;
	}
	for (size_t i = 0; i < list->n; i++)
		scrub->packs[scrub->n_packs++] =
			(struct scrub_pack){.session = list->session, .listed = list->packs[i]};
	return true;
}

static bool each_list(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	struct scrub_cause cause = {0};
	AUTO(list_release) struct list list = {0};
	uint32_t k;

	scrub_count(scrub, size);
	if (!object_name_parse_list(name, &cause.session, &k))
		return scrub_damaged(scrub, &nobody, name, "not a name of a list", errp);
	if (!scrub_counts(scrub, &cause.session))
		return true;
	if (!list_load(scrub->repository, &cause.session, k, &list, errp))
		return scrub_take_error(scrub, &cause, name, errp);
	return add_packs(scrub, &list, errp);
}

/* Whose it is everybody can check; what is in it, whoever may read. No point needs it; but it tells of one. */
static bool each_receipt(void *arg, const char *name, uint64_t size, struct err **errp)
{
	static const uint8_t not_said[POINT_ID_SIZE];
	struct scrub *scrub = arg;
	AUTO(receipt_release) struct receipt receipt = {0};
	uint8_t id8[WRITER_SIZE];
	struct session_id session;
	uint32_t n;

	scrub_count(scrub, size);
	bool ok = scrub->options->level == SCRUB_CONTENTS ? receipt_load(scrub->repository, name, &receipt, NULL, errp)
							  : receipt_check_object(scrub->repository, name, errp);
	if (!ok)
		return scrub_take_error(scrub, &nobody, name, errp);
	return !object_name_parse_receipt(name, &session, id8, &n) ||
	       lineage_add_name(&scrub->lineage, &session, not_said, WITNESS_RECEIPT, errp);
}

/* A hint for boots, and of no importance to any point either. */
static bool each_trace(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	AUTO(trace_release) struct trace trace = {0};

	scrub_count(scrub, size);
	return trace_load(scrub->repository, name, &trace, errp) || scrub_take_error(scrub, &nobody, name, errp);
}

static bool each_collection(void *arg, const char *name, uint64_t size, struct err **errp)
{
	(void)name;
	(void)errp;
	scrub_count(arg, size);
	return true;
}

static bool check_collections(struct scrub *scrub, struct err **errp)
{
	if (!backend_list(repository_backend(scrub->repository), "g/", each_collection, scrub, errp))
		return false;
	if (collection_load(scrub->repository, &scrub->collection, errp))
		return true;
	AUTO(freep) char *object = strdup(err_object(*errp) ? err_object(*errp) : "g/");
	return object ? scrub_take_error(scrub, &nobody, object, errp) : false;
}

bool scrub_signed(struct scrub *scrub, struct err **errp)
{
	struct backend *backend = repository_backend(scrub->repository);

	return check_config(scrub, errp) && check_keyrings(scrub, errp) && check_collections(scrub, errp) &&
	       backend_list(backend, "s/", each_slot, scrub, errp) &&
	       backend_list(backend, "w/", each_registration, scrub, errp) &&
	       backend_list(backend, "v/", each_receipt, scrub, errp) &&
	       backend_list(backend, "t/", each_trace, scrub, errp) &&
	       backend_list(backend, "l/", each_list, scrub, errp);
}
