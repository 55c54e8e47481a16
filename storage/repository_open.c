/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, in the order in which each step can trust what it reads: config (its checksum) → key material (slot or file)
 * → k/0 (its hash is in the material) → the chain to the newest keyring, which vouches for config → memory → grants.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/repository_internal.h"

/* What lies in a place whose config or first keyring is missing. */
struct inventory {
	bool keyring, other; /* other: anything but config and slots */
};

/* A backend_list_function. */
static bool take_stock(void *arg, const char *name, uint64_t size, struct err **errp)
{
	(void)size;
	(void)errp;
	struct inventory *inventory = arg;
	bool keyring = strncmp(name, "k/", 2) == 0;
	inventory->keyring = inventory->keyring || keyring;
	inventory->other =
		inventory->other || (!keyring && strcmp(name, CONFIG_NAME) != 0 && strncmp(name, "s/", 2) != 0);
	return true;
}

static bool has_keyring(struct backend *backend, bool *ret, struct err **errp)
{
	struct inventory inventory = {0};
	if (!backend_list(backend, "k/", take_stock, &inventory, errp))
		return false;
	*ret = inventory.keyring;
	return true;
}

/* No config, or one that is none: damage where there are keyrings, and otherwise no repository at all. */
static bool judge_config(struct backend *backend, const char *url, const char *reason, struct err **errp)
{
	bool keyring;
	if (!has_keyring(backend, &keyring, errp))
		return false;
	if (!keyring)
		return err_set(errp, ERR_NOT_FOUND, "%s is not a repository: %s; is it another place, or not mounted?",
			       url, reason);
	err_set(errp, ERR_CORRUPT, "object '%s': %s", CONFIG_NAME, reason);
	return err_about(errp, "%s", CONFIG_NAME);
}

static bool load_config(struct backend *backend, const char *url, struct config *ret, struct err **errp)
{
	enum { NEWER_MAX = 65536 }; /* a newer format may have a longer one */
	AUTO(bytes_release) struct bytes object = {0};
	AUTO(err_freep) struct err *failure = NULL;
	if (!backend_get(backend, CONFIG_NAME, NEWER_MAX, &object, &failure)) {
		if (err_code(failure) == ERR_NOT_FOUND)
			return judge_config(backend, url, "there is no 'config' in it", errp);
		return err_move(errp, &failure);
	}
	if (!config_is_one(bytes_span(&object)))
		return judge_config(backend, url, "its 'config' is something else", errp);
	if (config_parse(bytes_span(&object), ret, errp)) {
		backend_use_create_once(backend, ret->create_once);
		return true;
	}
	err_about(errp, "%s", CONFIG_NAME);
	return err_code(*errp) == ERR_CORRUPT && err_prefix(errp, "object '%s'", CONFIG_NAME);
}

/* k/00000000 is what init makes last, see repository_init.c. */
static bool check_finished(struct backend *backend, const char *url, struct err **errp)
{
	struct inventory inventory = {0};
	bool keyring;
	if (!has_keyring(backend, &keyring, errp))
		return false;
	if (keyring)
		return true;
	if (!backend_list(backend, "", take_stock, &inventory, errp))
		return false;
	if (!inventory.other)
		return err_set(errp, ERR_NOT_FOUND,
			       "%s is an unfinished repository: its 'init' was interrupted, and nothing is stored in "
			       "it. Delete what is there, "
			       "and the recovery key file made with it, and run 'init' again",
			       url);
	err_set(errp, ERR_CORRUPT, "all keyrings are missing (k/00000000 and those behind it)");
	return err_about(errp, "k/00000000");
}

static bool check_member(const struct repository *repository, struct err **errp)
{
	const struct keyring_member *member = keyring_find(&repository->keyring, repository->identity.id8);
	if (!member)
		return err_set(errp, ERR_DENIED, "this key is not in the keyring of the repository");
	if (member->revoked_from != KEYRING_NOT_REVOKED)
		return err_set(errp, ERR_DENIED, "the key of '%s' was revoked", member->name);
	return true;
}

/* Nothing is gained for what is near by. */
static bool use_cache(struct repository *repository, const struct backend_cache_options *cache, struct err **errp)
{
	if (!cache->folder || !repository->backend->in_flight)
		return true;
	char *folder = strdup(cache->folder);
	if (!folder)
		return err_set_no_memory(errp);
	repository->cache = *cache;
	repository->cache.folder = folder;
	if (cache->fresh && bytes_all_zero(cache->run, sizeof(cache->run)) &&
	    !crypto_random(repository->cache.run, sizeof(repository->cache.run), errp))
		return false;
	repository->backend =
		backend_cached_new(repository->backend, repository->config.store, &repository->cache, errp);
	return repository->backend;
}

static bool open_steps(struct repository *repository, const struct repository_options *options, struct err **errp)
{
	return load_config(repository->backend, repository->url, &repository->config, errp) &&
	       use_cache(repository, &options->cache, errp) &&
	       check_finished(repository->backend, repository->url, errp) &&
	       repository_find_material(repository->backend, &options->key, repository->material, errp) &&
	       identity_from_secret(repository->material, &repository->identity, errp) &&
	       repository_state_open(repository, options->state_dir, errp) && check_member(repository, errp) &&
	       repository_open_grants(repository, errp);
}

/* An object's name says little where a host has several repositories; all other failures name a path of their own. */
static bool is_of_repository(enum err_code code)
{
	return code == ERR_CORRUPT || code == ERR_DENIED || code == ERR_UNSUPPORTED;
}

/* A path is made absolute, for helper processes that run elsewhere. */
static char *url_copy(const char *url)
{
	char *absolute = *url ? realpath(url, NULL) : NULL;
	return absolute ? absolute : strdup(url);
}

struct repository *repository_open_backend(struct backend *backend, const struct repository_options *options,
					   struct err **errp)
{
	AUTO(repository_freep) struct repository *repository = calloc(1, sizeof(*repository));
	char *url = url_copy(options->url ? options->url : "");
	if (!repository || !url) {
		free(url);
		backend_free(backend);
		err_set_no_memory(errp);
		return NULL;
	}
	repository->backend = backend;
	repository->url = url;
	repository->limit_rate = options->limit_rate;
	if (open_steps(repository, options, errp))
		return STEAL(&repository);
	if (*url && is_of_repository(err_code(*errp)) && !strstr(err_message(*errp), url))
		err_prefix(errp, "repository %s", url);
	return NULL;
}

struct repository *repository_open(const struct repository_options *options, struct err **errp)
{
	const struct backend_options backend_options = {.limit_rate = options->limit_rate, .cancel = options->cancel};
	struct backend *backend = backend_open(options->url, &backend_options, errp);
	return backend ? repository_open_backend(backend, options, errp) : NULL;
}

void repository_free(struct repository *repository)
{
	if (!repository)
		return;
	repository_forget_grants(repository);
	keyring_release(&repository->keyring);
	identity_wipe(&repository->identity);
	crypto_wipe(repository->material, sizeof(repository->material));
	backend_free(repository->backend);
	free(repository->url);
	free(repository->state_path);
	free((void *)(uintptr_t)repository->cache.folder);
	free(repository);
}
