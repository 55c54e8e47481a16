/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A repository that was opened with a key: its backend, its configuration, its newest keyring, and the keys that
 * this identity holds. Immutable after opening, so all threads may use it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/backend_cached.h"
#include "storage/identity.h"
#include "storage/keyring.h"

struct repository;

#define FORMAT_VERSION 1

/* Derived from one metadata key K_r. */
struct metadata_keys {
	uint32_t r;
	uint8_t id[KEY_SIZE], meta[KEY_SIZE], nonce[KEY_SIZE];
};

/* Exactly one of key_file, material and passphrase is used, in this order. All borrowed for the call. */
struct repository_key {
	const char *key_file;
	const uint8_t *material; /* MATERIAL_SIZE */
	struct span passphrase;	 /* already without its final line feed */
};

struct repository_options {
	const char *url;
	struct repository_key key;
	uint64_t limit_rate;		    /* bytes a second over a network; 0: no limit */
	const struct cancel *cancel;	    /* see storage/backend.h; NULL */
	struct backend_cache_options cache; /* of what is far away; folder NULL: none */
	const char *state_dir; /* what is remembered of repositories: heads, journals, index; made when missing; NULL
			    or "/dev/null": nothing */
};

struct repository_init {
	const char *url;
	struct span passphrase;	       /* empty is refused */
	const char *owner_name;	       /* member name of the owner, as "owner" */
	bool single_writer;	       /* also where nobody can tell who was first: only one machine writes */
	const struct cancel *cancel;   /* see storage/backend.h; NULL */
	const char *recovery_key_file; /* NULL: none is made, on the caller's word */
};

/*
 * Makes a repository: config, owner, recovery key, first keyring, passphrase slot "owner". The recovery file is
 * written and durable before anything that needs it. ERR_EXISTS when the place holds a repository or anything else.
 * Killed half-way, a folder is left that init refuses and that open calls unfinished.
 */
NODISCARD bool repository_init(const struct repository_init *init, struct err **errp);
/*
 * Reads config and the keyring chain, checks it against the key and what is remembered, unseals the keys.
 * ERR_NOT_FOUND: not a repository; ERR_UNSUPPORTED: newer format; ERR_DENIED: wrong passphrase or foreign key;
 * ERR_CORRUPT: damage, or an older state than remembered. Blocks (scrypt, disk).
 */
NODISCARD struct repository *repository_open(const struct repository_options *options, struct err **errp);
/* For tests: takes over the backend, on failure too. */
NODISCARD struct repository *repository_open_backend(struct backend *backend, const struct repository_options *options,
						     struct err **errp);
NODISCARD bool repository_init_backend(struct backend *backend, const struct repository_init *init, struct err **errp);
void repository_free(struct repository *repository);
DEFINE_AUTO_FREE(struct repository, repository_free);

/* All borrowed. */
struct backend *repository_backend(const struct repository *repository);
const uint8_t *repository_domain(const struct repository *repository);
const struct keyring *repository_keyring(const struct repository *repository);
const struct identity *repository_identity(const struct repository *repository);
/*
 * STATE_DIR/<domain in hex>, made. NULL when no state_dir or /dev/null was given, or when it cannot be written for lack
 * of permission: then nothing is remembered, and reading goes on without. It may be there and be read-only.
 */
const char *repository_state_path(const struct repository *repository);

/* What this machine remembered was damaged when the repository was opened, and has been begun anew since. */
bool repository_memory_was_damaged(const struct repository *repository);
/* A path is absolute; "" where only a backend was given. */
const char *repository_url(const struct repository *repository);
/* As it was said in the options. */
uint64_t repository_limit_rate(const struct repository *repository);
/* What is kept of it; folder NULL: nothing. */
const struct backend_cache_options *repository_cache(const struct repository *repository);
/* The 64 bytes that open this repository again, for a helper process of ours. */
const uint8_t *repository_material(const struct repository *repository);
bool repository_may(const struct repository *repository, enum role role);
/* ERR_UNSUPPORTED when the format asks for a newer writer. Every writer asks, before it writes. */
NODISCARD bool repository_check_writable(const struct repository *repository, struct err **errp);
/* ERR_DENIED without the role read. Who is to read contents asks before it touches anything. */
NODISCARD bool repository_check_readable(const struct repository *repository, struct err **errp);
/* The newest; and by number, NULL when this identity does not hold it. */
const struct metadata_keys *repository_metadata(const struct repository *repository);
const struct metadata_keys *repository_metadata_at(const struct repository *repository, uint32_t r);
/* Secret of a content epoch; false (no error set) when this identity has no role read. */
bool repository_epoch_secret(const struct repository *repository, uint32_t epoch, uint8_t ret[KEY_SIZE]);
uint32_t repository_epoch_newest(const struct repository *repository, uint8_t ret_public[PUBLIC_SIZE]);

/*
 * key add: a new identity with these roles, written to `out` (create-once, durable) before the next keyring is.
 * Needs role admin: ERR_DENIED. ERR_EXISTS for a name that is taken. Retries when another admin was faster.
 */
NODISCARD bool repository_add_key(struct repository *repository, const char *name, unsigned roles, const char *out,
				  struct err **errp);
/* As below, whatever the signer may do, and though he was revoked since. */
NODISCARD bool repository_check_signature(const struct repository *repository, const char *name, struct span object,
					  struct span *ret_body, uint8_t ret_signer[WRITER_SIZE], struct err **errp);
/*
 * Reads a signed object that was written in session `number` (0: none), and checks that its signer has the role. The
 * body is borrowed from `object`. ERR_CORRUPT names the object; ERR_BUSY when the signer may be somebody who was added
 * after this was opened.
 */
NODISCARD bool repository_check_signed(const struct repository *repository, const char *name, struct span object,
				       enum role role, uint64_t number, struct span *ret_body,
				       uint8_t ret_signer[WRITER_SIZE], struct err **errp);
