/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which ids are stored where, on this machine's disk: sorted, immutable segments (mapped, so the kernel decides what
 * stays in memory) below a small table of what is new. It is a cache: a damaged or missing one is made again from
 * l/ lists and pack footers. Memory: at most about 32 MiB of its own, whatever the repository's size. Thread-safe.
 */
#pragma once

#include "storage/pack.h"
#include "storage/pack_set.h"

struct index;

/* Opens or makes the index in repository_state_path()/index. One process at a time adds (a lock; a second one waits its turn only for moments:
 * segments are added by rename). Damaged segments are dropped, and their packs are read again by index_sync(). */
NODISCARD struct index *index_open(const struct repository *repository, struct err **errp);
void index_free(struct index *index);
DEFINE_AUTO_FREE(struct index, index_free);
/*
 * Brings it up to date: valid l/ lists of this identity and of writers with role source, journals of this host's earlier
 * sessions; drops packs that are no longer listed under p/ and m/. Costs one LIST and what is new.
 */
NODISCARD bool index_sync(struct index *index, struct err **errp);
/* Adds the ids of a durable pack. May write a segment. */
NODISCARD bool index_add(struct index *index, const struct pack_footer *footer, struct err **errp);
/* Where an id lies, among packs that are not in `absent` (may be NULL). False: not known. */
bool index_find(struct index *index, enum pack_class cls, const struct chunk_id *id, const struct pack_set *absent, struct locator *ret);
bool index_has_pack(struct index *index, enum pack_class cls, const struct session_id *session, uint32_t seq);
/* Writes what is only in memory; durable. */
NODISCARD bool index_flush(struct index *index, struct err **errp);
