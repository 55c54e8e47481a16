/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What collections said, as a writer must know it: which packs are condemned, and the newest checkpoint. Reads
 * g/<x>.plan and g/<x>.final; making them is a collector's work. See docs/format.md, Collection.
 */
#pragma once

#include "storage/pack_set.h"
#include "storage/repository.h"

struct checkpoint_writer {
	uint8_t id8[WRITER_SIZE];
	uint64_t low;		      /* every session up to this one is decided */
	uint64_t *live;		      /* the committed ones among them, ascending */
	uint8_t (*points)[HASH_SIZE]; /* and the points they made; zero: none */
	size_t n_live;
};

struct collection {
	struct pack_set condemned; /* union of open plans and of all final lists that are still there */
	uint64_t checkpoint_x;	   /* 0: there is none */
	uint8_t checkpoint_hash[HASH_SIZE];
	uint8_t plan_hash[HASH_SIZE], previous_hash[HASH_SIZE]; /* that the checkpoint names */
	struct checkpoint_writer *writers;
	size_t n_writers;
};

/* LIST g/ and read what counts. ERR_CORRUPT names an invalid object: it fails closed. */
NODISCARD bool collection_load(const struct repository *repository, struct collection *ret, struct err **errp);
void collection_release(struct collection *collection);
/* The low mark of a writer, 0 when it has none. */
uint64_t collection_low(const struct collection *collection, const uint8_t id8[WRITER_SIZE]);
/* What the checkpoint says of a writer; borrowed, NULL when it says nothing. */
const struct checkpoint_writer *collection_writer(const struct collection *collection, const uint8_t id8[WRITER_SIZE]);
/* A committed session stands: above its writer's low mark, or listed as live. */
bool collection_stands(const struct collection *collection, const struct session_id *session);
/* Strict parsers of the signed bodies, for fuzzing. A final's pack set goes to `condemned`. */
NODISCARD bool collection_parse_plan(struct span body, uint64_t *ret_x, struct pack_set *ret, struct err **errp);
NODISCARD bool collection_parse_final(struct span body, struct collection *ret, struct err **errp);
