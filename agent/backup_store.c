/* SPDX-License-Identifier: Apache-2.0 */
/* The disks of a cut, the definition and the firmware variables, as streams of the point. */
#include <stdlib.h>
#include <string.h>

#include "agent/backup_internal.h"
#include "base/err.h"

#define DEFINITION_STREAM "domain.xml"

/* A stream keeps its number through all points of a workload; a new one gets the next that is free. */
static uint16_t stream_number(const struct backup *run, const char *name)
{
	const struct stream *before = run->parent.found ? point_stream(&run->parent.point, name) : NULL;
	uint16_t highest = 0;

	if (before)
		return before->number;
	for (size_t i = 0; run->parent.found && i < run->parent.point.n_streams; i++)
		if (run->parent.point.streams[i].number > highest)
			highest = run->parent.point.streams[i].number;
	for (size_t i = 0; i < run->point.n_streams; i++)
		if (run->point.streams[i].number > highest)
			highest = run->point.streams[i].number;
	return (uint16_t)(highest + 1);
}

static void add_stream(struct backup *run, const struct stream *stream, const char *name, enum stream_kind kind)
{
	struct stream *added = &run->point.streams[run->point.n_streams];

	*added = *stream;
	added->kind = kind;
	added->number = stream_number(run, name);
	memcpy(added->name, name, strlen(name) + 1);
	run->point.n_streams++;
}

static bool run_pipeline(struct backup *run, size_t i, struct tree_reader *parent, struct stream *stream,
			 struct err **errp)
{
	struct self_check check;
	struct pipeline_stats stats;

	if (!backup_begin_check(run, i, &check, errp))
		return false;
	struct pipeline_job job = {
		.session = run->session,
		.engine = run->engine,
		.cut = run->cut,
		.disk = i,
		.map = &run->maps[i],
		.parent = parent,
		.check = check.parent ? &check : NULL,
		.cancel = run->options->cancel,
		.progress = run->options->progress,
	};
	bool ok = pipeline_run(&job, &stream->top, &stats, errp);

	run->result->bytes_scanned += stats.bytes_read;
	run->result->bytes_changed += stats.bytes_new;
	backup_end_check(run, i, &check);
	return ok;
}

static bool store_disk(struct backup *run, size_t i, struct err **errp)
{
	const struct workload_disk *disk = &backup_cut_info(run)->workload.disks[i];
	const struct stream *before = backup_disk_reason(run, i) ? NULL : backup_parent_disk(run, disk);
	AUTO(tree_reader_freep)
	struct tree_reader *parent = before ? tree_reader_new(run->packs, &before->shape, &before->top, errp) : NULL;
	struct stream stream = {.shape = run->maps[i].shape};

	if (before && !parent)
		return false;
	if (!run_pipeline(run, i, parent, &stream, errp))
		return false;
	if (!stream_root(session_keys(run->session), &stream.shape, &stream.top.id, &stream.root, errp))
		return false;
	add_stream(run, &stream, disk->name, STREAM_DISK);
	return true;
}

static bool store_small(struct backup *run, const struct bytes *content, const char *name, enum stream_kind kind,
			struct err **errp)
{
	struct stream stream = {0};

	if (content->len == 0)
		return true;
	if (!session_store_stream(run->session, bytes_span(content), &stream, errp))
		return err_prefix(errp, "'%s'", name);
	add_stream(run, &stream, name, kind);
	return true;
}

static bool store_disks(struct backup *run, bool *ret_again, struct err **errp)
{
	for (size_t i = 0; i < run->n_maps && !*ret_again; i++) {
		if (store_disk(run, i, errp))
			continue;
		*ret_again = backup_lose_tree(run, i, errp);
		if (!*ret_again)
			return false;
	}
	return true;
}

bool backup_store(struct backup *run, bool *ret_again, struct err **errp)
{
	const struct workload *workload = &backup_cut_info(run)->workload;

	*ret_again = false;
	run->result->bytes_scanned = run->result->bytes_changed = 0;
	point_release(&run->point);
	run->point.streams = calloc(workload->n_disks + 2, sizeof(struct stream));
	if (!run->point.streams)
		return err_set_no_memory(errp);
	if (!store_disks(run, ret_again, errp) || *ret_again)
		return *ret_again;
	return store_small(run, &workload->definition, DEFINITION_STREAM, STREAM_DEFINITION, errp) &&
	       store_small(run, &workload->firmware, workload->firmware_name, STREAM_FIRMWARE, errp);
}
