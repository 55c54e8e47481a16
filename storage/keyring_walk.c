/* SPDX-License-Identifier: Apache-2.0 */
/* From k/0 to the newest keyring, every link checked, see docs/format.md, Keys. */
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "storage/keyring_internal.h"
#include "storage/repository_internal.h"
#include "storage/signed_object.h"

struct walk {
	struct backend *backend;
	const struct config *config;
	const uint8_t *first_hash;
	keyring_seen_function *seen;
	void *arg;
	struct keyring newest; /* checked; members are NULL before the first */
};

static bool check_first_hash(const struct walk *walk, const struct keyring *first, struct err **errp)
{
	return memcmp(first->hash, walk->first_hash, HASH_SIZE) == 0 ||
	       err_set(errp, ERR_DENIED, "this key belongs to another repository");
}

/* Parses one link, and checks it against its predecessor and its signature. */
static bool check_object(const struct walk *walk, const char *name, struct span object, struct keyring *ret,
			 struct err **errp)
{
	const struct keyring *previous = walk->newest.members ? &walk->newest : NULL;
	struct span body;
	uint8_t signer[WRITER_SIZE];
	if (!keyring_parse(object, ret, errp))
		return false;
	if (!signed_object_split(object, &body, signer))
		return err_set(errp, ERR_CORRUPT, "it is too short for a signature");
	if (!keyring_check_link(previous, ret, walk->config->hash, signer, errp))
		return false;
	const struct keyring_member *admin = keyring_find(previous ? previous : ret, signer);
	return signed_object_check(admin->sign_public, walk->config->domain, name, object, errp);
}

static bool damaged(struct err **errp, const char *name)
{
	err_about(errp, "%s", name);
	return err_prefix(errp, "keyring '%s'", name);
}

static bool fetch(const struct walk *walk, const char *name, struct keyring *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	return backend_get(walk->backend, name, KEYRING_MAX_BYTES, &object, errp) &&
	       (check_object(walk, name, bytes_span(&object), ret, errp) ||
		(err_code(*errp) == ERR_CORRUPT ? damaged(errp, name) : false));
}

static bool fetch_again(const struct walk *walk, const char *name, struct keyring *ret, struct err **errp)
{
	if (!backend_read_again(walk->backend, name, errp))
		return false;
	keyring_release(ret);
	return fetch(walk, name, ret, errp);
}

/* A backend_list_function: takes one step. Names ascend, so a gap shows as a number that is not the next. */
static bool step(void *arg, const char *name, uint64_t size, struct err **errp)
{
	(void)size;
	struct walk *walk = arg;
	uint32_t n, expected = walk->newest.members ? walk->newest.n + 1 : 0;
	AUTO(keyring_release) struct keyring next = {0};
	if (!object_name_parse_keyring(name, &n) || n != expected) {
		err_set(errp, ERR_CORRUPT, "keyring 'k/%08" PRIx32 "' is missing: '%s' is there in its place", expected,
			name);
		return err_about(errp, "k/%08" PRIx32, expected);
	}
	if (!fetch(walk, name, &next, errp) && !fetch_again(walk, name, &next, errp))
		return false;
	if ((n == 0 && !check_first_hash(walk, &next, errp)) || !walk->seen(walk->arg, &next, errp))
		return false;
	keyring_release(&walk->newest);
	walk->newest = next;
	next = (struct keyring){0};
	return true;
}

bool keyring_walk(struct backend *backend, const struct config *config, const uint8_t first_hash[HASH_SIZE],
		  keyring_seen_function *seen, void *arg, struct keyring *ret, struct err **errp)
{
	struct walk walk = {.backend = backend, .config = config, .first_hash = first_hash, .seen = seen, .arg = arg};
	if (!backend_list(backend, "k/", step, &walk, errp)) {
		keyring_release(&walk.newest);
		return false;
	}
	if (!walk.newest.members)
		return err_set(errp, ERR_NOT_FOUND, "there is no keyring");
	*ret = walk.newest;
	return true;
}

bool keyring_seal(struct keyring *keyring, const struct identity *signer, const uint8_t domain[DOMAIN_SIZE],
		  struct bytes *ret, struct err **errp)
{
	char name[OBJECT_NAME_SIZE];
	AUTO(bytes_release) struct bytes object = {0};
	if (!keyring_encode(keyring, &object, errp) ||
	    !signed_object_seal(signer, domain, object_name_keyring(keyring->n, name), &object, errp))
		return false;
	const struct span whole = bytes_span(&object);
	if (!crypto_sha256(&whole, 1, keyring->hash, errp))
		return false;
	*ret = object;
	bytes_init(&object, 0);
	return true;
}
