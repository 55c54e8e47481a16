/* SPDX-License-Identifier: Apache-2.0 */
/* What init, open and key add share. */
#pragma once

#include "storage/config.h"
#include "storage/repository.h"

struct epoch_secret {
	uint32_t number;
	uint8_t secret[KEY_SIZE];
};

struct repository {
	struct backend *backend;
	uint64_t limit_rate;
	char *url;			    /* "" where there is none */
	char *state_path;		    /* NULL where nothing is remembered */
	bool memory_damaged;		    /* what was in it when it was opened */
	struct backend_cache_options cache; /* the folder is owned; NULL: none is used */
	struct config config;
	struct keyring keyring; /* the newest */
	uint8_t material[MATERIAL_SIZE];
	struct identity identity;
	struct metadata_keys *metadata; /* those that were granted to us, ascending */
	size_t n_metadata;
	struct epoch_secret *epochs; /* the same; none without role read */
	size_t n_epochs;
};

#define OWNER_SLOT "s/owner"

enum grant_kind { GRANT_EPOCH = 1, GRANT_METADATA = 2 };

/* Seals a secret for a member; draws the ephemeral key. */
NODISCARD bool grant_make(const uint8_t domain[DOMAIN_SIZE], enum grant_kind kind, uint32_t number,
			  const struct keyring_member *member, const uint8_t secret[KEY_SIZE],
			  struct keyring_grant *ret, struct err **errp);
/* ERR_CORRUPT when the grant does not open. */
NODISCARD bool grant_open(const uint8_t domain[DOMAIN_SIZE], enum grant_kind kind, uint32_t number,
			  const struct identity *identity, const struct keyring_grant *grant,
			  uint8_t ret_secret[KEY_SIZE], struct err **errp);
/* Opens all grants of the newest keyring to this identity. */
NODISCARD bool repository_open_grants(struct repository *repository, struct err **errp);
void repository_forget_grants(struct repository *repository);

/* What a caller wants to know of one keyring on the walk: whether it is the one that was remembered, for example. */
typedef bool keyring_seen_function(void *arg, const struct keyring *keyring, struct err **errp);
/*
 * Walks k/0 … to the newest and checks every link. first_hash is what the key material says of k/0: ERR_DENIED when it
 * is another. ERR_NOT_FOUND when there is no keyring at all.
 */
NODISCARD bool keyring_walk(struct backend *backend, const struct config *config, const uint8_t first_hash[HASH_SIZE],
			    keyring_seen_function *seen, void *arg, struct keyring *ret, struct err **errp);
/* Encodes, signs as k/<n>; gives the object. Fills the hash. */
NODISCARD bool keyring_seal(struct keyring *keyring, const struct identity *signer, const uint8_t domain[DOMAIN_SIZE],
			    struct bytes *ret, struct err **errp);

/* Gives key material from what the caller has: file, material, or a passphrase and the slots. Blocks for scrypt. */
NODISCARD bool repository_find_material(struct backend *backend, const struct repository_key *key,
					uint8_t ret[MATERIAL_SIZE], struct err **errp);
/* Makes the state folder, and checks the keyring walk against what is remembered. See repository_state_path(). */
NODISCARD bool repository_state_open(struct repository *repository, const char *state_dir, struct err **errp);
