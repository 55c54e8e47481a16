/* SPDX-License-Identifier: Apache-2.0 */
/* What an index knows and has not yet written: a bounded hash table of records, and the packs they are in. */
#pragma once

#include "storage/index_segment.h"

#define MEMTABLE_MAX 262144u

struct memtable {
	struct index_record *records; /* room for MEMTABLE_MAX */
	uint32_t n_records;
	uint32_t *slots; /* open addressing: position of a record + 1, 0 is free */
	struct index_pack *packs;
	uint32_t n_packs, packs_capacity;
};

NODISCARD bool memtable_init(struct memtable *table, struct err **errp);
void memtable_release(struct memtable *table);
bool memtable_fits(const struct memtable *table, size_t n);
/* All of a pack's ids; they must fit. */
NODISCARD bool memtable_add(struct memtable *table, const struct pack_footer *footer, struct err **errp);
/* Walks the records of an id: start with *at = 0; false at the end. */
bool memtable_next(const struct memtable *table, const struct chunk_id *id, uint32_t *at, struct index_record *ret);
/* By id. Afterwards only memtable_clear() or memtable_rehash() may follow. */
void memtable_sort(struct memtable *table);
void memtable_rehash(struct memtable *table);
void memtable_clear(struct memtable *table);
