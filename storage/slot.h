/* SPDX-License-Identifier: Apache-2.0 */
/* A passphrase slot s/<name>: key material behind scrypt. See docs/format.md, Keys. */
#pragma once

#include "storage/identity.h"

#define SLOT_SIZE 188
#define SLOT_SALT_SIZE 32

struct slot {
	uint8_t salt[SLOT_SALT_SIZE];
	uint64_t n;
	uint32_t r, p;
	uint8_t object[SLOT_SIZE]; /* the whole of it */
};

/* Blocks for scrypt, with the usual cost. */
NODISCARD bool slot_make(struct span passphrase, const uint8_t material[MATERIAL_SIZE], uint8_t ret_object[SLOT_SIZE],
			 struct err **errp);
/* The parser of foreign bytes: all but what needs the passphrase. ERR_CORRUPT. */
NODISCARD bool slot_parse(struct span object, struct slot *ret, struct err **errp);
/* Blocks for scrypt. ERR_DENIED when the passphrase is wrong. */
NODISCARD bool slot_open(const struct slot *slot, struct span passphrase, uint8_t ret_material[MATERIAL_SIZE],
			 struct err **errp);
