/* SPDX-License-Identifier: Apache-2.0 */
/* What an index is made of, for index*.c only. */
#pragma once

#include <pthread.h>

#include "storage/index.h"
#include "storage/index_manifest.h"
#include "storage/index_memtable.h"

/* Packs by class. */
struct class_packs {
	struct pack_set chunks, nodes;
};

struct index {
	const struct repository *repository;
	char *folder;
	pthread_rwlock_t lock; /* over all below; taken before the lock between processes */
	struct memtable table;
	struct index_segment **segments; /* oldest first, as in the manifest */
	size_t n_segments;
	uint64_t next;		    /* of the manifest that was loaded: another one means that the set has changed */
	struct class_packs present; /* under p/ and m/, of writers we rely on */
	struct class_packs indexed; /* in a segment or the table */
	struct class_packs gone; /* indexed, but not present at the last sync: records of these are dropped in merges */
	struct pack_set applied; /* lists (k + 1 for seq) whose packs are all indexed */
	bool applied_changed;
};

struct pack_set *class_packs_of(struct class_packs *packs, enum pack_class cls);
void class_packs_release(struct class_packs *packs);
/* Caller frees; NULL on lack of memory. */
char *index_segment_path(const struct index *index, uint64_t number);
/* Opens what the manifest lists; drops from it what is damaged, and then forgets which lists were applied. */
bool index_load_segments(struct index *index, struct manifest *manifest, bool *ret_damaged, struct err **errp);
/* The write lock is held. */
bool index_add_locked(struct index *index, const struct pack_footer *footer, struct err **errp);
bool index_flush_locked(struct index *index, struct err **errp);
/* Both locks are held: merges small segments into one, where it is time to, and saves the manifest. */
bool index_merge(struct index *index, struct manifest *manifest, struct err **errp);
