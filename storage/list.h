/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of packs, l/<session>/<k>: what a session says it stored, signed, in clear. See docs/format.md, List. */
#pragma once

#include "storage/repository.h"

#define LIST_MAX_PACKS 65536u
#define LIST_PACKS 64u /* a session writes a list whenever it has so many */

struct list_pack {
	enum pack_class cls;
	uint32_t seq;
	uint64_t size;
	uint8_t sha256[HASH_SIZE];
};

struct list {
	struct session_id session;
	uint32_t k;
	struct list_pack *packs;
	size_t n;
	uint8_t hash[HASH_SIZE]; /* of the object, filled by list_load() */
};

#define LIST_PACK_ENCODED_SIZE 48
void list_pack_encode(const struct list_pack *pack, struct bytes *out);
/* ERR_CORRUPT when it cannot be. */
NODISCARD bool list_pack_parse(struct cursor *cursor, struct list_pack *ret, struct err **errp);

void list_release(struct list *list);
/* Strict parser of a body without its trailer. */
NODISCARD bool list_parse(struct span body, struct list *ret, struct err **errp);
/* Makes the object durable, create-once, and gives its hash and size. */
NODISCARD bool list_publish(const struct repository *repository, const struct list *list, uint8_t ret_hash[HASH_SIZE],
			    size_t *ret_size, struct err **errp);
/* Fetches and checks signature, role and name. */
NODISCARD bool list_load(const struct repository *repository, const struct session_id *session, uint32_t k,
			 struct list *ret, struct err **errp);
