/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An identity: a 32-byte secret from which an Ed25519 and an X25519 key follow, and what a person or host holds of
 * it, the key material (secret and hash of k/0). See docs/format.md, Keys.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/crypto.h"
#include "storage/ids.h"

#define MATERIAL_SIZE 64

enum role {
	ROLE_ADMIN = 1,
	ROLE_WRITE = 2,
	ROLE_READ = 4,
	ROLE_COLLECT = 8,
	ROLE_SOURCE = 16, /* its packs are trusted for deduplication by other writers */
};

struct identity {
	uint8_t secret[KEY_SIZE];
	uint8_t sign_seed[KEY_SIZE], seal_secret[KEY_SIZE];
	uint8_t sign_public[PUBLIC_SIZE], seal_public[PUBLIC_SIZE];
	uint8_t id8[WRITER_SIZE];
};

NODISCARD bool identity_from_secret(const uint8_t secret[KEY_SIZE], struct identity *ret, struct err **errp);
void identity_wipe(struct identity *identity);
NODISCARD bool identity_id8(const uint8_t sign_public[PUBLIC_SIZE], const uint8_t seal_public[PUBLIC_SIZE],
			    uint8_t ret[WRITER_SIZE], struct err **errp);
/* "write,read" to a mask; ERR_USAGE names the word that is no role. */
NODISCARD bool role_parse(const char *text, unsigned *ret_roles, struct err **errp);
/* Into text of at least 40 bytes; returns text. */
char *role_text(unsigned roles, char *text);

/* Key files: a text with comment lines and one line of key material with a checksum, mode 0600, create-once. */
NODISCARD bool key_file_write(const char *path, const char *comment, const uint8_t material[MATERIAL_SIZE],
			      struct err **errp);
/* The parser of foreign bytes. ERR_CORRUPT for a damaged one, ERR_USAGE when it is not a key file, ERR_UNSUPPORTED for
 * a newer one. */
NODISCARD bool key_file_parse(struct span text, uint8_t ret_material[MATERIAL_SIZE], struct err **errp);
/* As the parser, naming the file. */
NODISCARD bool key_file_read(const char *path, uint8_t ret_material[MATERIAL_SIZE], struct err **errp);
