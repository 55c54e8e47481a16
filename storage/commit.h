/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit object c/<session> in its parts: statement (what is said, signed, travels with replicas) and placement
 * (where it lies). Only storage uses this header; others see points.
 */
#pragma once

#include "storage/pack_set.h"
#include "storage/point.h"

#define COMMIT_MAX_BYTES (16u << 20)

struct commit {
	enum commit_kind kind;
	struct session_id session;
	struct point point; /* kind point only */
	uint8_t (*lists)[HASH_SIZE];
	size_t n_lists;
	struct pack_set packs; /* every pack that the point may need; may name too many, never too few */
};

/* Makes the plaintexts. placement needs point.streams, and `lists` and `packs`. */
NODISCARD bool statement_encode(const struct point *point, struct bytes *ret, struct err **errp);
NODISCARD bool placement_encode(const struct commit *commit, struct bytes *ret, struct err **errp);
void commit_release(struct commit *commit);
/* Encodes, seals and signs; fills commit->point.id. Gives the object's bytes. */
NODISCARD bool commit_encode(const struct repository *repository, struct commit *commit, struct bytes *ret,
			     struct err **errp);
/* Checks name, signature, roles and decrypts. ERR_CORRUPT names the object. */
NODISCARD bool commit_decode(const struct repository *repository, const struct session_id *session, struct span object,
			     struct commit *ret, struct err **errp);
/* Fetches and decodes. ERR_NOT_FOUND when there is none. */
NODISCARD bool commit_load(const struct repository *repository, const struct session_id *session, struct commit *ret,
			   struct err **errp);
/* Parsers of plaintext, for fuzzing. */
NODISCARD bool statement_parse(struct span plain, struct point *ret, struct err **errp);
/* ret->point.streams is there already: their tops get their places. */
NODISCARD bool placement_parse(struct span plain, struct commit *ret, struct err **errp);
