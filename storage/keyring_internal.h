/* SPDX-License-Identifier: Apache-2.0 */
/* What parser, encoder and chain of the keyring share. */
#pragma once

#include "storage/keyring.h"

#define KEYRING_MAGIC "SLVRKEYS"

enum {
	KEYRING_MAGIC_SIZE = 8,
	KEYRING_VERSION = 1,
	KEYRING_MEMBERS_MAX = 4096,
	KEYRING_KEYS_MAX = 1024,
	KEYRING_MEMBER_MIN = 2 * PUBLIC_SIZE + 2 + 2 + 8 + 2 + 1, /* bytes of a member with a name of one letter */
	KEYRING_GRANT_SIZE = WRITER_SIZE + 32 + 48,
	KEYRING_ROLES = ROLE_ADMIN | ROLE_WRITE | ROLE_READ | ROLE_COLLECT | ROLE_SOURCE,
};

/* Names, ids and grants that occur twice, or that name nobody. ERR_CORRUPT. */
NODISCARD bool keyring_check_unique(const struct keyring *keyring, struct err **errp);

/*
 * One link of the chain: next is what an admin of `previous` made of it. `signer` signed next; his signature was
 * checked. For n = 0 previous is NULL. ERR_CORRUPT says which rule is broken.
 */
NODISCARD bool keyring_check_link(const struct keyring *previous, const struct keyring *next,
				  const uint8_t config_hash[HASH_SIZE], const uint8_t signer[WRITER_SIZE],
				  struct err **errp);
