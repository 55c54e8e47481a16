/* SPDX-License-Identifier: Apache-2.0 */
/* The object `config`: what kind of repository this is. See docs/format.md, config. */
#pragma once

#include "storage/backend.h"
#include "storage/crypto.h"
#include "storage/ids.h"

#define CONFIG_NAME "config"
#define CONFIG_SIZE 104

struct config {
	uint16_t min_reader, min_writer;
	enum create_once create_once; /* what the store does in its bucket; its own rule anywhere else */
	uint8_t domain[DOMAIN_SIZE], store[DOMAIN_SIZE];
	uint32_t pack_target, pack_entries;
	uint64_t created_ns;
	uint8_t hash[HASH_SIZE]; /* SHA-256 of the object */
};

/* A new one with a random domain and store; gives its bytes too. */
NODISCARD bool config_make(enum create_once rule, struct config *ret, uint8_t ret_object[CONFIG_SIZE],
			   struct err **errp);
/* The bytes begin as a config does, whatever its version. */
bool config_is_one(struct span object);
/* The parser of foreign bytes. ERR_UNSUPPORTED for a format that needs a newer reader, ERR_CORRUPT. */
NODISCARD bool config_parse(struct span object, struct config *ret, struct err **errp);
