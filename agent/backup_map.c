/* SPDX-License-Identifier: Apache-2.0 */
/* What must be read of each disk, and why. */
#include <stdlib.h>
#include <string.h>

#include "agent/backup_internal.h"
#include "base/err.h"
#include "base/file.h"

const struct cut_info *backup_cut_info(const struct backup *run)
{
	return run->engine->ops->info(run->cut);
}

const struct stream *backup_parent_disk(const struct backup *run, const struct workload_disk *disk)
{
	const struct stream *stream = run->parent.found ? point_stream(&run->parent.point, disk->name) : NULL;

	if (!stream || stream->kind != STREAM_DISK || stream->shape.size != disk->size ||
	    stream->shape.exponent != CHUNK_EXPONENT_DISK)
		return NULL;
	return stream;
}

/* Why changes since the parent are not known; NULL when they are, or on a first backup. What else changed tells more
 * than that nothing is tracked. */
static const char *untracked_reason(const struct backup *run, size_t i)
{
	const struct workload_disk *disk = &backup_cut_info(run)->workload.disks[i];
	const char *reason = run->parent.reason ? run->parent.reason : backup_cut_info(run)->fallback_reason[i];

	if (!run->parent.found)
		return run->parent.reason;
	if (!point_stream(&run->parent.point, disk->name))
		return FALLBACK_UNTRACKED;
	if (reason && strcmp(reason, FALLBACK_UNTRACKED) != 0)
		return reason;
	if (!backup_parent_disk(run, disk))
		return FALLBACK_SIZE_CHANGED;
	return !reason && run->tree_damaged && run->tree_damaged[i] ? FALLBACK_POINT_DAMAGED : reason;
}

bool backup_disk_is_tracked(const struct backup *run, size_t i)
{
	return run->parent.found && !untracked_reason(run, i);
}

const char *backup_disk_reason(const struct backup *run, size_t i)
{
	if (run->tracking_wrong)
		return FALLBACK_TRACKING_WRONG;
	if (run->options->full && run->parent.found)
		return FALLBACK_FORCED;
	return untracked_reason(run, i);
}

bool backup_inherits(const struct backup *run)
{
	for (size_t i = 0; run->parent.found && i < backup_cut_info(run)->workload.n_disks; i++)
		if (!backup_disk_reason(run, i))
			return true;
	return false;
}

/* Tells the first reason, as the run has one `fallback_reason`. */
void backup_judge_mode(struct backup *run)
{
	run->result->full = false;
	run->result->fallback_reason = NULL;
	for (size_t i = 0; i < backup_cut_info(run)->workload.n_disks; i++) {
		const char *reason = backup_disk_reason(run, i);

		if (reason && !run->result->fallback_reason)
			run->result->fallback_reason = reason;
		if (reason || !run->parent.found)
			run->result->full = true;
	}
}

static bool mark_condemned(void *arg, uint64_t first, uint64_t end, struct err **errp)
{
	(void)errp;
	change_map_mark(arg, first, end);
	return true;
}

static bool add_extent(void *arg, const struct extent *extent, struct err **errp)
{
	(void)errp;
	change_map_add(arg, extent);
	return true;
}

/* What the maps mean for the progress line. */
static void expect_bytes(struct backup *run, uint64_t more)
{
	if (run->options->progress)
		atomic_fetch_add(&run->options->progress->total, more);
}

static void tell_again(const struct backup *run, size_t i, uint64_t bytes)
{
	char size[PROGRESS_SIZE_TEXT];
	AUTO(freep)
	char *text = file_format("disk '%s': %s that did not change are stored again, since what the last point has of "
				 "them is damaged or gone",
				 backup_cut_info(run)->workload.disks[i].name, progress_size_text(bytes, size));

	backup_note(run, text);
}

/* What is gone under the parent, was found damaged, or is condemned by a collection must be read and stored again. */
static bool mark_lost(struct backup *run, size_t i, struct err **errp)
{
	const struct stream *stream = backup_parent_disk(run, &backup_cut_info(run)->workload.disks[i]);
	struct change_map *map = &run->maps[i];
	uint64_t before = change_map_read_bytes(map);
	bool whole;

	if (!session_parent_is_whole(run->session, &run->parent.point, &whole, errp))
		return false;
	if (whole)
		return true;
	AUTO(tree_reader_freep)
	struct tree_reader *tree = tree_reader_new(run->packs, &stream->shape, &stream->top, errp);
	bool ok = tree && tree_condemned(tree, session_is_condemned, run->session, mark_condemned, map, errp);

	uint64_t more = change_map_read_bytes(map) - before;

	expect_bytes(run, more);
	if (ok && more > 0)
		tell_again(run, i, more);
	return ok;
}

void backup_read_whole(struct backup *run, size_t i)
{
	struct change_map *map = &run->maps[i];
	uint64_t before = change_map_read_bytes(map);

	change_map_mark(map, 0, map->chunks);
	expect_bytes(run, change_map_read_bytes(map) - before);
}

static bool is_of_node(const struct err *err)
{
	const char *object = err_object(err);
	struct session_id session;
	enum pack_class cls;
	uint32_t seq;

	return !err_is_of_run(err_code(err)) && err_code(err) != ERR_DENIED && object &&
	       object_name_parse_pack(object, &cls, &session, &seq) && cls == PACK_META;
}

bool backup_lose_tree(struct backup *run, size_t i, struct err **errp)
{
	if (!is_of_node(*errp) || run->tree_damaged[i])
		return false;
	AUTO(freep)
	char *text =
		file_format("the last point is damaged (%s), so disk '%s' was read whole; 'salvor scrub' tells what "
			    "else is",
			    err_message(*errp), backup_cut_info(run)->workload.disks[i].name);
	backup_want_attention(run, text);
	err_clear(errp);
	run->tree_damaged[i] = true;
	backup_read_whole(run, i);
	return true;
}

static bool map_disk(struct backup *run, size_t i, struct err **errp)
{
	const struct workload_disk *disk = &backup_cut_info(run)->workload.disks[i];
	struct stream_shape shape = {disk->size, CHUNK_EXPONENT_DISK};
	struct change_map *map = &run->maps[i];
	bool tracked = backup_disk_is_tracked(run, i);

	if (!change_map_init(map, &shape, errp) || !run->engine->ops->map(run->cut, i, add_extent, map, errp))
		return false;
	expect_bytes(run, change_map_read_bytes(map));
	if (tracked && !run->options->full)
		return mark_lost(run, i, errp) || backup_lose_tree(run, i, errp);
	if (tracked && !change_map_copy(map, &run->said[i], errp))
		return false;
	backup_read_whole(run, i);
	return true;
}

bool backup_map_disks(struct backup *run, struct err **errp)
{
	size_t n = backup_cut_info(run)->workload.n_disks;

	run->maps = calloc(n, sizeof(*run->maps));
	run->said = calloc(n, sizeof(*run->said));
	run->tree_damaged = calloc(n, sizeof(*run->tree_damaged));
	if (!run->maps || !run->said || !run->tree_damaged)
		return err_set_no_memory(errp);
	run->n_maps = n;
	for (size_t i = 0; i < n; i++)
		if (!map_disk(run, i, errp))
			return false;
	return true;
}

bool backup_judge_parent(struct backup *run, struct err **errp)
{
	for (size_t i = 0; i < run->n_maps; i++)
		if (!backup_disk_reason(run, i) && !mark_lost(run, i, errp) && !backup_lose_tree(run, i, errp))
			return false;
	return true;
}
