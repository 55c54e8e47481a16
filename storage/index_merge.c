/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merging by size: when there are more than MERGE_ABOVE segments, the smallest ones go into one, and so does each next
 * larger one that is no larger than all those before it together. So a record is copied about log2(n) times, and
 * segments stay few. Records are read from and written to mapped files, in order; memory is the table of packs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "storage/index_state.h"

#define MERGE_ABOVE 8

struct source {
	const struct index_segment *segment;
	uint64_t at;
	uint32_t first_pack; /* where its packs begin in the table of the merged segment */
	struct index_record record;
	bool alive;
};

struct merge {
	struct index *index;
	struct source *sources;
	size_t n;
	struct index_pack *packs;
	uint32_t n_packs;
	uint64_t max_records;
};

static void merge_release(struct merge *merge)
{
	free(merge->sources);
	free(merge->packs);
}

static int by_records(const void *a, const void *b)
{
	const struct source *left = a, *right = b;
	uint64_t x = index_segment_records(left->segment), y = index_segment_records(right->segment);

	return (x > y) - (x < y);
}

/* Leaves in merge->sources those that are to be merged. */
static bool choose(struct merge *merge, struct err **errp)
{
	struct index *index = merge->index;
	size_t n = 0;

	merge->sources = calloc(index->n_segments, sizeof(*merge->sources));
	if (!merge->sources)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < index->n_segments; i++)
		merge->sources[i].segment = index->segments[i];
	qsort(merge->sources, index->n_segments, sizeof(*merge->sources), by_records);
	for (; n < index->n_segments; n++) {
		uint64_t records = index_segment_records(merge->sources[n].segment);
		if ((n >= 2 && records > merge->max_records) || merge->max_records + records > SEGMENT_MAX_RECORDS)
			break;
		merge->max_records += records;
	}
	merge->n = n;
	return true;
}

static bool gather_packs(struct merge *merge, struct err **errp)
{
	size_t total = 0;

	for (size_t i = 0; i < merge->n; i++)
		total += index_segment_packs(merge->sources[i].segment);
	if (total > UINT32_MAX)
		return err_set(errp, ERR_UNSUPPORTED, "too many packs for one segment");
	merge->packs = calloc(total ? total : 1, sizeof(*merge->packs));
	if (!merge->packs)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < merge->n; i++) {
		const struct index_segment *segment = merge->sources[i].segment;
		merge->sources[i].first_pack = merge->n_packs;
		for (uint32_t j = 0; j < index_segment_packs(segment); j++)
			merge->packs[merge->n_packs++] = index_segment_pack(segment, j);
	}
	return true;
}

/* To the next record that is sound and whose pack is not gone. */
static void advance(struct merge *merge, struct source *source)
{
	while (source->at < index_segment_records(source->segment)) {
		if (!index_segment_record(source->segment, source->at++, &source->record))
			continue;
		source->record.pack += source->first_pack;
		const struct index_pack *pack = &merge->packs[source->record.pack];
		if (!pack_set_has(class_packs_of(&merge->index->gone, pack->cls), &pack->session, pack->seq)) {
			source->alive = true;
			return;
		}
	}
	source->alive = false;
}

static struct source *least(struct merge *merge)
{
	struct source *best = NULL;

	for (size_t i = 0; i < merge->n; i++) {
		struct source *source = &merge->sources[i];
		if (source->alive && (!best || memcmp(source->record.id.b, best->record.id.b, ID_SIZE) < 0))
			best = source;
	}
	return best;
}

static bool write_merged(struct merge *merge, uint64_t number, struct err **errp)
{
	AUTO(freep) char *path = index_segment_path(merge->index, number);

	if (!path)
		return err_set_no_memory(errp);
	AUTO(segment_writer_freep)
	struct segment_writer *writer =
		segment_writer_new(path, merge->packs, merge->n_packs, merge->max_records, errp);
	if (!writer)
		return false;
	for (size_t i = 0; i < merge->n; i++)
		advance(merge, &merge->sources[i]);
	for (struct source *source; (source = least(merge)); advance(merge, source))
		segment_writer_put(writer, &source->record);
	return segment_writer_finish(writer, errp);
}

/* Other processes have the old ones mapped, and may go on reading them. */
static bool remove_files(const struct merge *merge, struct err **errp)
{
	for (size_t i = 0; i < merge->n; i++) {
		AUTO(freep)
		char *path = index_segment_path(merge->index, index_segment_number(merge->sources[i].segment));
		if (!path)
			return err_set_no_memory(errp);
		if (unlink(path) != 0 && errno != ENOENT)
			return err_set_errno(errp, errno, "remove '%s'", path);
	}
	return true;
}

bool index_merge(struct index *index, struct manifest *manifest, struct err **errp)
{
	AUTO(merge_release) struct merge merge = {.index = index};
	bool damaged;

	if (index->n_segments <= MERGE_ABOVE)
		return true;
	if (!choose(&merge, errp) || !gather_packs(&merge, errp))
		return false;
	if (merge.n < 2)
		return true;
	uint64_t number = manifest->next++;
	if (!write_merged(&merge, number, errp))
		return false;
	for (size_t i = 0; i < merge.n; i++)
		manifest_drop(manifest, index_segment_number(merge.sources[i].segment));
	return manifest_append(manifest, number, errp) && manifest_save(index->folder, manifest, errp) &&
	       remove_files(&merge, errp) && index_load_segments(index, manifest, &damaged, errp);
}
