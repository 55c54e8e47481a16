/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index_memtable.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define SLOTS (MEMTABLE_MAX * 2)

bool memtable_init(struct memtable *table, struct err **errp)
{
	*table = (struct memtable){0};
	table->records = calloc(MEMTABLE_MAX, sizeof(*table->records));
	table->slots = calloc(SLOTS, sizeof(*table->slots));
	return (table->records && table->slots) || err_set_no_memory(errp);
}

void memtable_release(struct memtable *table)
{
	free(table->records);
	free(table->slots);
	free(table->packs);
	*table = (struct memtable){0};
}

bool memtable_fits(const struct memtable *table, size_t n)
{
	return n <= MEMTABLE_MAX - table->n_records;
}

/* Ids are keyed hashes, so any of their bits will do. */
static uint32_t first_slot(const struct chunk_id *id)
{
	return bytes_load_le32(id->b) % SLOTS;
}

static void put_slot(struct memtable *table, uint32_t record)
{
	uint32_t slot = first_slot(&table->records[record].id);

	while (table->slots[slot] != 0)
		slot = (slot + 1) % SLOTS;
	table->slots[slot] = record + 1;
}

static bool add_pack(struct memtable *table, const struct pack_footer *footer, struct err **errp)
{
	if (table->n_packs == table->packs_capacity) {
		uint32_t capacity = table->packs_capacity ? table->packs_capacity * 2 : 64;
		struct index_pack *packs = reallocarray(table->packs, capacity, sizeof(*packs));
		if (!packs)
			return err_set_no_memory(errp);
		table->packs = packs;
		table->packs_capacity = capacity;
	}
	table->packs[table->n_packs++] =
		(struct index_pack){.cls = footer->cls, .seq = footer->seq, .session = footer->session};
	return true;
}

bool memtable_add(struct memtable *table, const struct pack_footer *footer, struct err **errp)
{
	assert(memtable_fits(table, footer->n_entries));
	if (!add_pack(table, footer, errp))
		return false;
	for (size_t i = 0; i < footer->n_entries; i++) {
		uint32_t at = table->n_records++;
		table->records[at] = (struct index_record){
			.id = footer->entries[i].id, .pack = table->n_packs - 1, .entry = (uint16_t)i};
		put_slot(table, at);
	}
	return true;
}

bool memtable_next(const struct memtable *table, const struct chunk_id *id, uint32_t *at, struct index_record *ret)
{
	for (uint32_t slot = (first_slot(id) + *at) % SLOTS; table->slots[slot] != 0; slot = (slot + 1) % SLOTS) {
		const struct index_record *record = &table->records[table->slots[slot] - 1];
		++*at;
		if (chunk_id_equal(&record->id, id)) {
			*ret = *record;
			return true;
		}
	}
	return false;
}

static int compare(const void *a, const void *b)
{
	const struct index_record *left = a, *right = b;

	return memcmp(left->id.b, right->id.b, ID_SIZE);
}

void memtable_sort(struct memtable *table)
{
	qsort(table->records, table->n_records, sizeof(*table->records), compare);
}

void memtable_rehash(struct memtable *table)
{
	memset(table->slots, 0, SLOTS * sizeof(*table->slots));
	for (uint32_t i = 0; i < table->n_records; i++)
		put_slot(table, i);
}

void memtable_clear(struct memtable *table)
{
	memset(table->slots, 0, SLOTS * sizeof(*table->slots));
	table->n_records = 0;
	table->n_packs = 0;
}
