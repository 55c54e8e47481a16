/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine remembers of a repository, held against what the store shows. Memory protects against a store that
 * serves an old whole state; a machine that cannot write its memory still has to be able to recover.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "storage/heads.h"
#include "storage/repository_internal.h"

/* Nowhere, as a person says it. */
#define NO_FOLDER "/dev/null"

static bool make_folder(struct repository *repository, const char *state_dir, struct err **errp)
{
	char domain[2 * DOMAIN_SIZE + 1];
	AUTO(err_freep) struct err *failure = NULL;
	AUTO(freep) char *path = file_join(state_dir, hex_encode(repository->config.domain, DOMAIN_SIZE, domain));
	if (!path)
		return err_set_no_memory(errp);
	if (file_make_folders(path, 0700, &failure)) {
		repository->state_path = STEAL(&path);
		return true;
	}
	if (err_code(failure) != ERR_DENIED)
		return err_move(errp, &failure);
	log_debug("nothing is remembered of this repository: %s", err_message(failure));
	return true;
}

/* A keyring_seen_function: the one of the remembered number must be the remembered one. */
static bool compare(void *arg, const struct keyring *keyring, struct err **errp)
{
	const struct heads *heads = arg;
	if (keyring->n != heads->keyring_n || bytes_all_zero(heads->keyring_hash, HASH_SIZE) ||
	    memcmp(keyring->hash, heads->keyring_hash, HASH_SIZE) == 0)
		return true;
	err_set(errp, ERR_CORRUPT,
		"keyring %" PRIu32 " is another than this machine has seen: the repository was replaced", keyring->n);
	return err_about(errp, "k/%08" PRIx32, keyring->n);
}

static bool walk(struct repository *repository, struct heads *heads, struct err **errp)
{
	const uint8_t *first_hash = repository->material + KEY_SIZE;
	if (!keyring_walk(repository->backend, &repository->config, first_hash, compare, heads, &repository->keyring,
			  errp))
		return false;
	if (repository->keyring.n >= heads->keyring_n)
		return true;
	err_set(errp, ERR_CORRUPT,
		"the repository shows keyring %" PRIu32 ", but this machine has seen %" PRIu32 ": it is an older state",
		repository->keyring.n, heads->keyring_n);
	return err_about(errp, "k/%08" PRIx32, heads->keyring_n);
}

/* Saves only what is new, so that reading writes nothing as a rule. */
static bool remember(const struct repository *repository, struct heads *heads, struct err **errp)
{
	const struct keyring *keyring = &repository->keyring;
	AUTO(err_freep) struct err *failure = NULL;
	if (heads->keyring_n == keyring->n && memcmp(heads->keyring_hash, keyring->hash, HASH_SIZE) == 0)
		return true;
	heads->keyring_n = keyring->n;
	memcpy(heads->keyring_hash, keyring->hash, HASH_SIZE);
	if (heads_save(repository->state_path, heads, &failure))
		return true;
	if (err_code(failure) != ERR_DENIED && err_code(failure) != ERR_NO_SPACE)
		return err_move(errp, &failure);
	log_debug("the keyring is not remembered: %s", err_message(failure));
	return true;
}

bool repository_state_open(struct repository *repository, const char *state_dir, struct err **errp)
{
	AUTO(heads_release) struct heads heads = {0};
	if (state_dir && strcmp(state_dir, NO_FOLDER) != 0 && !make_folder(repository, state_dir, errp))
		return false;
	if (!repository->state_path)
		return walk(repository, &heads, errp);
	if (!heads_load(repository->state_path, &heads, &repository->memory_damaged, errp))
		return false;
	if (repository->memory_damaged)
		log_warning("%s: what was remembered of the repository is damaged, and is begun anew",
			    repository->state_path);
	return walk(repository, &heads, errp) && remember(repository, &heads, errp);
}
