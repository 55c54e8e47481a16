/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyring k/<n>: who may do what, and the epoch and metadata keys sealed to them. A chain: each one names the hash
 * of its predecessor and is signed by an admin of it. See docs/format.md, Keys.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/identity.h"

#define KEYRING_NOT_REVOKED UINT64_MAX
#define KEYRING_NAME_MAX 64
#define KEYRING_MAX_BYTES (16u << 20)

struct keyring_member {
	uint8_t sign_public[PUBLIC_SIZE], seal_public[PUBLIC_SIZE];
	uint8_t id8[WRITER_SIZE]; /* derived */
	unsigned roles;
	uint64_t revoked_from; /* sessions from this number on do not count */
	char name[KEYRING_NAME_MAX + 1];
};

struct keyring_grant { /* a key sealed to one member */
	uint8_t id8[WRITER_SIZE];
	uint8_t enc[32], sealed[48];
};

struct keyring_key { /* a content epoch (public known, secret sealed) or a metadata key */
	uint32_t number;
	uint8_t public_key[PUBLIC_SIZE]; /* zero for metadata keys */
	struct keyring_grant *grants;
	size_t n_grants;
};

struct keyring {
	uint32_t n;
	uint8_t hash[HASH_SIZE]; /* SHA-256 of the object */
	uint8_t config_hash[HASH_SIZE], previous_hash[HASH_SIZE];
	uint64_t time_ns;
	struct keyring_member *members;
	size_t n_members;
	struct keyring_key *epochs, *metadata;
	size_t n_epochs, n_metadata;
};

/* The parser of foreign bytes: structure and limits only, no signature. Fills hash. ERR_CORRUPT. */
NODISCARD bool keyring_parse(struct span object, struct keyring *ret, struct err **errp);
/* The body, to be signed. ERR_FAILED beyond a limit. */
NODISCARD bool keyring_encode(const struct keyring *keyring, struct bytes *ret, struct err **errp);
void keyring_release(struct keyring *keyring);
/* ERR_USAGE when it cannot be the name of a member: 1 to 64 bytes of UTF-8 without control characters. */
NODISCARD bool keyring_check_name(const char *name, struct err **errp);
/* A member for an identity; the name was checked. */
void keyring_member_init(struct keyring_member *member, const struct identity *identity, const char *name,
			 unsigned roles);
/* Borrowed; NULL when there is no such member. */
const struct keyring_member *keyring_find(const struct keyring *keyring, const uint8_t id8[WRITER_SIZE]);
const struct keyring_member *keyring_find_name(const struct keyring *keyring, const char *name);
/* The member may do what role says with session `number` (0: outside of any session). */
bool keyring_allows(const struct keyring *keyring, const uint8_t id8[WRITER_SIZE], enum role role, uint64_t number);
