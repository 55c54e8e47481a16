/* SPDX-License-Identifier: Apache-2.0 */
/* plan: which stream goes where ──► check: names, room ──► write each disk ──► write the small files */
#include "restore/write_image.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "restore/healed.h"
#include "restore/image_fill.h"
#include "restore/image_temporary.h"
#include "restore/stream_name.h"
#include "storage/stream_read.h"

enum {
	FOOTERS_BYTES = 64 << 20,
	SMALL_MAX = 16 << 20,
};

struct item {
	const struct stream *stream;
	char *path;
	bool device, exists;
	struct stat there; /* where it exists */
	uint64_t data;	   /* bytes that are no hole */
};

struct plan {
	const struct restore_options *options;
	struct rescue *rescue;
	struct pack_reader *packs;
	struct item *items;
	size_t n;
};

static void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		free(plan->items[i].path);
	free(plan->items);
	pack_reader_free(plan->packs);
	rescue_free(plan->rescue);
}

/* ---- plan ---- */

static bool is_same_place(const struct item *a, const struct item *b)
{
	if (strcmp(a->path, b->path) == 0)
		return true;
	if (!a->exists || !b->exists || a->device != b->device)
		return false;
	return a->device ? a->there.st_rdev == b->there.st_rdev
			 : a->there.st_dev == b->there.st_dev && a->there.st_ino == b->there.st_ino;
}

/* The second disk would take the place of the first. */
static bool check_place_is_new(const struct plan *plan, const struct item *added, struct err **errp)
{
	for (const struct item *item = plan->items; item < added; item++)
		if (is_same_place(item, added))
			return err_set(errp, ERR_USAGE, "both %s and %s are to be written to %s", item->stream->name,
				       added->stream->name, added->path);
	return true;
}

/* there NULL: nothing is there. */
static bool add_item(struct plan *plan, const struct stream *stream, char *path, const struct stat *there,
		     struct err **errp)
{
	if (!path)
		return err_set_no_memory(errp);
	struct item *item = &plan->items[plan->n++];
	*item = (struct item){.stream = stream,
			      .path = path,
			      .device = there && S_ISBLK(there->st_mode),
			      .exists = there,
			      .there = there ? *there : (struct stat){0}};
	if (!check_place_is_new(plan, item, errp))
		return false;
	if (!there || item->device)
		return true;
	if (!S_ISREG(there->st_mode) && !S_ISLNK(there->st_mode))
		return err_set(errp, ERR_EXISTS, "%s is neither a file nor a block device", path);
	return plan->options->force ||
	       err_set(errp, ERR_EXISTS, "%s is there already: give --force to replace it", path);
}

/* A target that was named may be a link, as names of volumes are. */
static bool add_target(struct plan *plan, const struct stream *stream, const char *path, struct err **errp)
{
	struct stat there;
	return add_item(plan, stream, strdup(path), stat(path, &there) == 0 ? &there : NULL, errp);
}

/* What stands in a folder under a point's name was put there by who knows whom: a link is replaced, not followed. */
static bool add_in_folder(struct plan *plan, const struct stream *stream, const char *ending, struct err **errp)
{
	struct stat there;
	char *path = file_format("%s/%s%s", plan->options->to, stream->name, ending);
	bool exists = path && lstat(path, &there) == 0;
	if (exists && S_ISBLK(there.st_mode)) {
		err_set(errp, ERR_EXISTS, "%s is a device: name it as a target to write to it", path);
		free(path);
		return false;
	}
	return add_item(plan, stream, path, exists ? &there : NULL, errp);
}

static bool is_restored(const struct stream *stream)
{
	return stream->kind == STREAM_DISK || stream->kind == STREAM_FIRMWARE || stream->kind == STREAM_DEFINITION;
}

static bool plan_folder(struct plan *plan, const struct point *point, struct err **errp)
{
	const struct restore_options *options = plan->options;
	const char *ending = options->format == IMAGE_QCOW2 ? ".qcow2" : ".raw";
	for (size_t i = 0; i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];
		if (!is_restored(stream))
			continue;
		if (!stream_name_check(stream, errp))
			return false;
		if (!add_in_folder(plan, stream, stream->kind == STREAM_DISK ? ending : "", errp))
			return false;
	}
	return true;
}

static const struct stream *only_disk(const struct point *point)
{
	const struct stream *found = NULL;
	for (size_t i = 0; i < point->n_streams; i++) {
		if (point->streams[i].kind != STREAM_DISK)
			continue;
		if (found)
			return NULL;
		found = &point->streams[i];
	}
	return found;
}

static bool plan_target(struct plan *plan, const struct point *point, const struct restore_target *target,
			struct err **errp)
{
	const struct stream *stream = target->disk ? point_stream(point, target->disk) : only_disk(point);
	if (!stream && !target->disk)
		return err_set(errp, ERR_USAGE, "the point has not one disk: say which, as NAME=%s", target->path);
	if (!stream || stream->kind != STREAM_DISK)
		return err_set(errp, ERR_NOT_FOUND, "the point has no disk '%s'", target->disk ? target->disk : "");
	return add_target(plan, stream, target->path, errp);
}

static bool make_plan(struct plan *plan, const struct point *point, struct err **errp)
{
	const struct restore_options *options = plan->options;
	size_t most = options->to ? point->n_streams : options->n_targets;
	plan->items = calloc(most + 1, sizeof(*plan->items));
	if (!plan->items)
		return err_set_no_memory(errp);
	if (options->to)
		return plan_folder(plan, point, errp);
	for (size_t i = 0; i < options->n_targets; i++) {
		if (!plan_target(plan, point, &options->targets[i], errp))
			return false;
	}
	return true;
}

/* ---- check ---- */

static bool free_room(const char *path, unsigned long *ret_fsid, uint64_t *ret, struct err **errp)
{
	struct statvfs fs;
	AUTO(freep) char *copy = strdup(path);
	if (!copy)
		return err_set_no_memory(errp);
	const char *folder = dirname(copy);
	if (statvfs(folder, &fs) < 0)
		return err_set_errno(errp, errno, "folder %s", folder);
	*ret = (uint64_t)fs.f_bavail * fs.f_frsize;
	*ret_fsid = fs.f_fsid;
	return true;
}

/* All that goes to the file system of item i must fit there together. */
static bool check_room(const struct plan *plan, size_t i, struct err **errp)
{
	unsigned long fsid = 0, other = 0;
	uint64_t room = 0, ignored = 0, needed = 0;
	char needed_text[PROGRESS_SIZE_TEXT], room_text[PROGRESS_SIZE_TEXT];
	if (!free_room(plan->items[i].path, &fsid, &room, errp))
		return false;
	for (size_t k = 0; k < plan->n; k++) {
		if (plan->items[k].device)
			continue;
		if (!free_room(plan->items[k].path, &other, &ignored, errp))
			return false;
		if (other == fsid)
			needed += plan->items[k].data;
	}
	if (needed > room)
		return err_set(errp, ERR_NO_SPACE, "%s: %s are needed, and %s are free", plan->items[i].path,
			       progress_size_text(needed, needed_text), progress_size_text(room, room_text));
	return true;
}

static struct image_sink *open_sink(const struct plan *plan, const struct item *item, struct err **errp)
{
	const struct image_request request = {
		.path = item->path, .size = item->stream->shape.size, .force = plan->options->force};
	if (item->device)
		return image_sink_device(&request, errp);
	return plan->options->format == IMAGE_QCOW2 ? image_sink_qcow2(&request, errp) : image_sink_raw(&request, errp);
}

/* Opening a device tells whether it is free and large enough, and changes nothing. */
static bool check_device(const struct plan *plan, const struct item *item, struct err **errp)
{
	AUTO(image_sink_freep) struct image_sink *sink = open_sink(plan, item, errp);
	return sink;
}

/* Before room is asked for, since these take some. */
static void sweep_leftovers(const struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		if (!plan->items[i].device)
			image_temporary_sweep(plan->items[i].path, plan->options->note, plan->options->note_arg);
}

static bool check_plan(struct plan *plan, struct err **errp)
{
	uint64_t total = 0;
	sweep_leftovers(plan);
	for (size_t i = 0; i < plan->n; i++) {
		if (!image_data_bytes(plan->packs, plan->items[i].stream, plan->options->cancel, &plan->items[i].data,
				      errp))
			return false;
		total += plan->items[i].data;
	}
	if (plan->options->progress)
		plan->options->progress->total = total;
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->items[i].device ? !check_device(plan, &plan->items[i], errp) : !check_room(plan, i, errp))
			return false;
	}
	return true;
}

/* ---- write ---- */

/* A file that is not whole appears only on the user's word. A device was written to either way. */
static bool finish_disk(const struct plan *plan, const struct item *item, struct image_sink *sink,
			struct restored_file *file, struct err **errp)
{
	bool wanted = file->damage.bytes == 0 || plan->options->keep_damaged || item->device;
	file->made = wanted && sink->ops->finish(sink, errp);
	return file->made == wanted;
}

static bool write_disk(const struct plan *plan, const struct item *item, struct restored_file *file, struct err **errp)
{
	AUTO(image_sink_freep) struct image_sink *sink = open_sink(plan, item, errp);
	if (!sink)
		return false;
	const struct image_fill fill = {
		.packs = plan->packs,
		.stream = item->stream,
		.sink = sink,
		.cancel = plan->options->cancel,
		.progress = plan->options->progress,
		.damage = &file->damage,
	};
	bool ok = image_fill(&fill, errp) && finish_disk(plan, item, sink, file, errp);
	file->spoiled = !ok && item->device;
	return ok;
}

/* Definitions and firmware variables hold secrets: they stay with mkostemp()'s mode, which is 0600. */
static bool put_small(const struct plan *plan, const struct item *item, struct span content, struct err **errp)
{
	struct image_temporary temporary = {.fd = -1};
	bool ok = image_temporary_make(item->path, plan->options->force, &temporary, errp) &&
		  file_write_at(temporary.fd, content.data, content.len, 0, item->path, errp) &&
		  image_temporary_finish(&temporary, errp);
	image_temporary_release(&temporary);
	return ok;
}

/* Read whole or not at all: half a definition helps nobody. */
static bool write_small(const struct plan *plan, const struct item *item, struct restored_file *file, struct err **errp)
{
	AUTO(bytes_release) struct bytes content = {0};
	if (!stream_read_all(plan->packs, item->stream, SMALL_MAX, &content, errp))
		return image_damage_take(&file->damage, 0, item->stream->shape.size, errp) ||
		       err_prefix(errp, "%s", item->stream->name);
	file->made = put_small(plan, item, bytes_span(&content), errp);
	return file->made;
}

static bool write_item(const struct plan *plan, const struct item *item, struct restored_file *file, struct err **errp)
{
	return item->stream->kind == STREAM_DISK ? write_disk(plan, item, file, errp)
						 : write_small(plan, item, file, errp);
}

static bool begin_report(const struct item *item, struct restore_result *result, struct err **errp)
{
	struct restored_file *file = &result->files[result->n++];
	*file = (struct restored_file){
		.name = strdup(item->stream->name), .path = strdup(item->path), .size = item->stream->shape.size};
	image_damage_init(&file->damage);
	return (file->name && file->path) || err_set_no_memory(errp);
}

/* What came back is right, but the repository is not. */
static bool report_healed(const struct plan *plan, const struct item *item, struct restored_file *file,
			  struct err **errp)
{
	struct rescue_healed healed;
	if (!rescue_get_healed(plan->rescue, item->stream, &healed))
		return true;
	file->healed = healed_text(&healed);
	file->healed_chunks = healed.chunks;
	return file->healed || err_set_no_memory(errp);
}

static bool write_plan(const struct plan *plan, struct restore_result *result, struct err **errp)
{
	result->files = calloc(plan->n + 1, sizeof(*result->files));
	if (!result->files)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < plan->n; i++) {
		if (!begin_report(&plan->items[i], result, errp) ||
		    !write_item(plan, &plan->items[i], &result->files[i], errp) ||
		    !report_healed(plan, &plan->items[i], &result->files[i], errp))
			return false;
		result->n_damaged += result->files[i].damage.bytes > 0;
	}
	return true;
}

bool restored_file_is_whole(const struct restored_file *file)
{
	return file->made && file->damage.bytes == 0;
}

void restore_result_release(struct restore_result *result)
{
	for (size_t i = 0; i < result->n; i++) {
		free(result->files[i].name);
		free(result->files[i].path);
		free(result->files[i].healed);
		image_damage_release(&result->files[i].damage);
	}
	free(result->files);
	*result = (struct restore_result){0};
}

static bool open_packs(struct plan *plan, const struct repository *repository, const struct point *point,
		       struct err **errp)
{
	const struct rescue_options options = {.cancel = plan->options->cancel};
	plan->packs = pack_reader_new(repository, FOOTERS_BYTES, errp);
	plan->rescue = plan->packs ? rescue_new(repository, point, &options, errp) : NULL;
	if (!plan->rescue)
		return false;
	pack_reader_set_rescue(plan->packs, plan->rescue);
	return true;
}

bool restore_point(const struct repository *repository, const struct point *point,
		   const struct restore_options *options, struct restore_result *ret, struct err **errp)
{
	AUTO(plan_release) struct plan plan = {.options = options};
	*ret = (struct restore_result){0};
	if (!repository_check_readable(repository, errp))
		return false;
	if (options->to && !file_make_folders(options->to, 0777, errp))
		return false;
	return open_packs(&plan, repository, point, errp) && make_plan(&plan, point, errp) && check_plan(&plan, errp) &&
	       write_plan(&plan, ret, errp);
}
