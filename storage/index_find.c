/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index_state.h"

struct probe {
	struct index *index;
	enum pack_class cls;
	const struct chunk_id *id;
	const struct pack_set *absent;
	struct locator *ret;
};

/* The record counts: its pack has the class, is there, and is not absent. */
static bool accept(const struct probe *probe, const struct index_pack *pack, const struct index_record *record)
{
	if (pack->cls != probe->cls ||
	    !pack_set_has(class_packs_of(&probe->index->present, pack->cls), &pack->session, pack->seq) ||
	    (probe->absent && pack_set_has(probe->absent, &pack->session, pack->seq)))
		return false;
	*probe->ret = (struct locator){.session = pack->session, .seq = pack->seq, .entry = record->entry};
	return true;
}

static bool find_in_table(const struct probe *probe)
{
	const struct memtable *table = &probe->index->table;
	struct index_record record;

	for (uint32_t at = 0; memtable_next(table, probe->id, &at, &record);)
		if (accept(probe, &table->packs[record.pack], &record))
			return true;
	return false;
}

static bool find_in_segment(const struct probe *probe, const struct index_segment *segment)
{
	struct index_record record;
	uint64_t at;

	if (!index_segment_search(segment, probe->id, &at))
		return false;
	for (; at < index_segment_records(segment) && index_segment_record(segment, at, &record) &&
	       chunk_id_equal(&record.id, probe->id);
	     at++) {
		struct index_pack pack = index_segment_pack(segment, record.pack);
		if (accept(probe, &pack, &record))
			return true;
	}
	return false;
}

bool index_find(struct index *index, enum pack_class cls, const struct chunk_id *id, const struct pack_set *absent,
		struct locator *ret)
{
	struct probe probe = {.index = index, .cls = cls, .id = id, .absent = absent, .ret = ret};

	pthread_rwlock_rdlock(&index->lock);
	bool found = find_in_table(&probe);
	for (size_t i = index->n_segments; !found && i > 0; i--)
		found = find_in_segment(&probe, index->segments[i - 1]);
	pthread_rwlock_unlock(&index->lock);
	return found;
}

bool index_has_pack(struct index *index, enum pack_class cls, const struct session_id *session, uint32_t seq)
{
	pthread_rwlock_rdlock(&index->lock);
	bool has = pack_set_has(class_packs_of(&index->present, cls), session, seq);
	pthread_rwlock_unlock(&index->lock);
	return has;
}
