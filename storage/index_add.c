/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/index_state.h"

static bool write_table(struct index *index, uint64_t number, struct err **errp)
{
	AUTO(freep) char *path = index_segment_path(index, number);
	struct memtable *table = &index->table;

	if (!path)
		return err_set_no_memory(errp);
	AUTO(segment_writer_freep)
	struct segment_writer *writer = segment_writer_new(path, table->packs, table->n_packs, table->n_records, errp);
	if (!writer)
		return false;
	memtable_sort(table);
	for (uint32_t i = 0; i < table->n_records; i++)
		segment_writer_put(writer, &table->records[i]);
	if (segment_writer_finish(writer, errp))
		return true;
	memtable_rehash(table);
	return false;
}

/* The segment is whole before the manifest names it; the table is emptied only after that. */
static bool flush_table(struct index *index, struct manifest *manifest, struct err **errp)
{
	bool damaged;

	if (index->table.n_records > 0) {
		uint64_t number = manifest->next++;
		if (!write_table(index, number, errp))
			return false;
		if (!manifest_append(manifest, number, errp) || !manifest_save(index->folder, manifest, errp)) {
			memtable_rehash(&index->table);
			return false;
		}
		memtable_clear(&index->table);
	} else if (!manifest_save(index->folder, manifest, errp)) {
		return false;
	}
	index->applied_changed = false;
	return index_load_segments(index, manifest, &damaged, errp) && index_merge(index, manifest, errp);
}

bool index_flush_locked(struct index *index, struct err **errp)
{
	AUTO(manifest_release) struct manifest manifest = {0};
	AUTO(file_closep) int lock = -1;

	if (index->table.n_records == 0 && !index->applied_changed)
		return true;
	return manifest_lock(index->folder, &lock, errp) && manifest_load(index->folder, &manifest, errp) &&
	       pack_set_merge(&manifest.applied, &index->applied, errp) && flush_table(index, &manifest, errp);
}

bool index_add_locked(struct index *index, const struct pack_footer *footer, struct err **errp)
{
	struct pack_set *indexed = class_packs_of(&index->indexed, footer->cls);
	struct pack_set *present = class_packs_of(&index->present, footer->cls);

	if (pack_set_has(indexed, &footer->session, footer->seq))
		return pack_set_add(present, &footer->session, footer->seq, errp);
	if (!memtable_fits(&index->table, footer->n_entries) && !index_flush_locked(index, errp))
		return false;
	return memtable_add(&index->table, footer, errp) &&
	       pack_set_add(indexed, &footer->session, footer->seq, errp) &&
	       pack_set_add(present, &footer->session, footer->seq, errp);
}

bool index_add(struct index *index, const struct pack_footer *footer, struct err **errp)
{
	pthread_rwlock_wrlock(&index->lock);
	bool ok = index_add_locked(index, footer, errp);
	pthread_rwlock_unlock(&index->lock);
	return ok || err_prefix(errp, "index");
}

bool index_flush(struct index *index, struct err **errp)
{
	pthread_rwlock_wrlock(&index->lock);
	bool ok = index_flush_locked(index, errp);
	pthread_rwlock_unlock(&index->lock);
	return ok || err_prefix(errp, "index");
}
