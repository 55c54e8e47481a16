/* SPDX-License-Identifier: Apache-2.0 */
/* From what a person has to key material. Every slot is tried, since a passphrase does not say whose it is. */
#include <string.h>

#include "base/err.h"
#include "storage/repository_internal.h"
#include "storage/slot.h"

struct search {
	struct backend *backend;
	struct span passphrase;
	uint8_t *material;
	size_t slots;
	bool found;
	struct err *damage; /* the first slot that could not be used */
};

static bool load_slot(struct backend *backend, const char *name, struct slot *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	if (!backend_get(backend, name, SLOT_SIZE, &object, errp))
		return false;
	if (slot_parse(bytes_span(&object), ret, errp))
		return true;
	err_about(errp, "%s", name);
	return err_prefix(errp, "passphrase slot '%s'", name);
}

/* A backend_list_function. What is wrong with one slot must not keep the passphrase of another out. */
static bool try_slot(void *arg, const char *name, uint64_t size, struct err **errp)
{
	(void)size;
	(void)errp;
	struct search *search = arg;
	struct slot slot;
	AUTO(err_freep) struct err *failure = NULL;
	search->slots++;
	if (search->found)
		return true;
	if (load_slot(search->backend, name, &slot, &failure)) {
		search->found = slot_open(&slot, search->passphrase, search->material, &failure);
		if (search->found || err_code(failure) == ERR_DENIED)
			return true;
	}
	if (!search->damage)
		search->damage = STEAL(&failure);
	return true;
}

static bool find_by_passphrase(struct search *search, struct err **errp)
{
	if (!backend_list(search->backend, "s/", try_slot, search, errp))
		return false;
	if (search->found)
		return true;
	if (search->damage)
		return err_move(errp, &search->damage) ||
		       err_prefix(errp, "no passphrase opens it now, but a key file still may, as the recovery key");
	if (search->slots == 0)
		return err_set(errp, ERR_DENIED,
			       "no passphrase opens this repository: it takes a key file, as the recovery key");
	return err_set(errp, ERR_DENIED, "wrong passphrase");
}

bool repository_find_material(struct backend *backend, const struct repository_key *key, uint8_t ret[MATERIAL_SIZE],
			      struct err **errp)
{
	if (key->key_file)
		return key_file_read(key->key_file, ret, errp);
	if (key->material) {
		memcpy(ret, key->material, MATERIAL_SIZE);
		return true;
	}
	struct search search = {.backend = backend, .passphrase = key->passphrase, .material = ret};
	bool found = find_by_passphrase(&search, errp);
	err_free(search.damage);
	return found;
}
