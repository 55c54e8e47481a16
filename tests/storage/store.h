/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new repository in a folder, and what fills it with packs without a session: for the tests of packs, trees and
 * streams.
 */
#pragma once

#include "storage/pack_read.h"
#include "storage/pack_write.h"
#include "storage/point.h"
#include "storage/tree_write.h"

struct store {
	void *folder; /* of repository and state */
	struct repository *repository;
	struct pack_reader *packs;
	const struct metadata_keys *keys;
	struct session_id session;
	uint32_t seq;			    /* of the newest pack */
	struct pack_writer *chunks, *nodes; /* being filled; NULL when there is none */
	size_t n_nodes;			    /* stored so far */
};

/* Setup and teardown of a group of tests; *state is the store. The folder is the current one, and removed again. */
int store_setup(void **state);
int store_teardown(void **state);
/* Compresses, seals and places one chunk in the pack that is being filled. */
void store_chunk(struct store *store, struct span plain, struct tree_ref *ret);
/* A tree_store_function: arg is the store. */
bool store_node(void *arg, uint8_t level, const struct chunk_id *id, struct span plain, struct locator *ret,
		struct err **errp);
/* Makes the packs that are being filled objects of the repository. */
void store_flush(struct store *store);
/* A whole stream, flushed. */
void store_stream(struct store *store, const void *plain, uint64_t size, uint8_t exponent, struct stream *ret);
