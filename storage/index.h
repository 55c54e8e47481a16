/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ids are stored where, on this machine's disk: sorted, immutable segments (mapped, so the kernel decides what
 * stays in memory) below a small table of what is new. It is a cache: a damaged or missing one is made again from
 * l/ lists and pack footers. Memory: at most about 32 MiB of its own, whatever the repository's size. Thread-safe.
 */
#pragma once

#include "base/cancel.h"
#include "storage/pack.h"
#include "storage/pack_set.h"

struct index;

/*
 * Opens or makes the index in repository_state_path()/index. Processes share it: what one writes appears to the others
 * with their next write. Damaged segments are dropped, and their packs are read again by index_sync(). Until that was
 * called once, nothing is found.
 */
NODISCARD struct index *index_open(const struct repository *repository, struct err **errp);
void index_free(struct index *index);
DEFINE_AUTO_FREE(struct index, index_free);
/*
 * Brings it up to date: valid l/ lists of this identity and of writers with role source; packs that are no longer
 * listed under p/ and m/ are believed no more. Costs three LISTs and what is new. A list or pack that is damaged is
 * passed over.
 */
NODISCARD bool index_sync(struct index *index, struct err **errp);
/* Somebody made one on this machine. */
bool index_exists(const struct repository *repository);
/*
 * Instead of index_sync() for who only reads: looks which packs are still there, and takes in nothing new. Costs two
 * LISTs, writes nothing. cancel may be NULL.
 */
NODISCARD bool index_recall(struct index *index, const struct cancel *cancel, struct err **errp);
/* Adds the ids of a durable pack (of an entry, only its id counts). May write a segment. */
NODISCARD bool index_add(struct index *index, const struct pack_footer *footer, struct err **errp);
/* Where an id lies, among packs that are not in `absent` (may be NULL). False: not known. */
bool index_find(struct index *index, enum pack_class cls, const struct chunk_id *id, const struct pack_set *absent,
		struct locator *ret);
/* The pack is there, as far as the last index_sync() and every index_add() since know, and its writer is one we rely
 * on. */
bool index_has_pack(struct index *index, enum pack_class cls, const struct session_id *session, uint32_t seq);
/* Writes what is only in memory; durable. */
NODISCARD bool index_flush(struct index *index, struct err **errp);
