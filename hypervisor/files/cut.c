/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/files/cut.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/blocks.h"
#include "hypervisor/files/remembered.h"

struct files_cut {
	const struct engine_ops *ops;
	struct cut_info info;
	struct image images[ENGINE_DISKS_MAX];
};

struct files_reader {
	const struct engine_ops *ops;
	const struct files_cut *cut;
	size_t disk;
	struct blocks *blocks; /* NULL for raw images */
};

static struct files_cut *of_cut(struct cut *cut)
{
	return (struct files_cut *)cut;
}

static const char *disk_name(const struct files_cut *cut, size_t disk)
{
	return cut->info.workload.disks[disk].name;
}

static bool prefix_disk(const struct files_cut *cut, size_t disk, struct err **errp)
{
	return err_prefix(errp, "disk '%s'", disk_name(cut, disk));
}

/* A device in use may be written to while it is read, and does not tell. */
static bool note_device_in_use(struct files_cut *cut, size_t disk, struct err **errp)
{
	cut->info.consistency = CUT_CRASH;
	if (cut->info.consistency_note)
		return true;
	cut->info.consistency_note =
		file_format("%s (disk %s) is in use on this host, and may have changed while it was read",
			    cut->images[disk].path, disk_name(cut, disk));
	return cut->info.consistency_note || err_set_no_memory(errp);
}

static bool open_disk(struct files_cut *cut, size_t disk, const struct files_cut_options *options, struct err **errp)
{
	struct workload_disk *of = &cut->info.workload.disks[disk];
	struct image_options image = {.path = of->source,
				      .format = options->formats ? options->formats[disk] : IMAGE_BY_NAME,
				      .force_share = options->force_share,
				      .cancel = options->cancel};
	if (!image_open(&image, &cut->images[disk], errp))
		return prefix_disk(cut, disk, errp);
	of->size = cut->images[disk].size;
	cut->info.fallback_reason[disk] =
		remembered_judge(options->remember ? options->tracking : NULL, of, &cut->images[disk]);
	return !cut->images[disk].device_in_use || note_device_in_use(cut, disk, errp);
}

static bool open_all(struct files_cut *cut, const struct files_cut_options *options, struct err **errp)
{
	for (size_t i = 0; i < cut->info.workload.n_disks; i++) {
		if (!open_disk(cut, i, options, errp))
			return false;
	}
	if (options->remember)
		remembered_of_cut(&cut->info, cut->images, cut->info.tracking);
	return true;
}

struct cut *files_cut_new(struct workload *workload, const struct files_cut_options *options, struct err **errp)
{
	assert(workload->n_disks <= ENGINE_DISKS_MAX);
	struct files_cut *cut = calloc(1, sizeof(*cut));
	if (!cut) {
		workload_release(workload);
		err_set_no_memory(errp);
		return NULL;
	}
	cut->ops = &files_engine_ops;
	cut->info = (struct cut_info){.cut_ns = clock_now_ns(), .consistency = CUT_OFFLINE, .workload = *workload};
	*workload = (struct workload){0};
	if (options->tracking && !options->remember)
		snprintf(cut->info.tracking, sizeof(cut->info.tracking), "%s", options->tracking);
	for (size_t i = 0; i < ENGINE_DISKS_MAX; i++)
		cut->images[i].fd = -1;
	if (open_all(cut, options, errp))
		return (struct cut *)cut;
	files_cut_drop((struct cut *)cut);
	return NULL;
}

const struct cut_info *files_cut_info(const struct cut *cut)
{
	return &((const struct files_cut *)cut)->info;
}

bool files_cut_map(struct cut *cut, size_t disk, extent_function *each, void *arg, struct err **errp)
{
	struct files_cut *files = of_cut(cut);
	return image_map(&files->images[disk], each, arg, errp) || prefix_disk(files, disk, errp);
}

struct cut_reader *files_reader_new(struct cut *cut, size_t disk, struct err **errp)
{
	struct files_cut *files = of_cut(cut);
	struct files_reader *reader = calloc(1, sizeof(*reader));
	if (!reader) {
		err_set_no_memory(errp);
		return NULL;
	}
	*reader = (struct files_reader){.ops = &files_engine_ops, .cut = files, .disk = disk};
	if (!files->images[disk].server)
		return (struct cut_reader *)reader;
	reader->blocks = image_connect(&files->images[disk], errp);
	if (reader->blocks)
		return (struct cut_reader *)reader;
	prefix_disk(files, disk, errp);
	free(reader);
	return NULL;
}

bool files_reader_read(struct cut_reader *reader, struct read_request *requests, size_t n, struct err **errp)
{
	struct files_reader *files = (struct files_reader *)reader;
	const struct image *image = &files->cut->images[files->disk];
	return image_read(image, files->blocks, requests, n, errp) || prefix_disk(files->cut, files->disk, errp);
}

void files_reader_free(struct cut_reader *reader)
{
	struct files_reader *files = (struct files_reader *)reader;
	if (!files)
		return;
	blocks_close(files->blocks);
	free(files);
}

bool files_cut_check(struct cut *cut, struct err **errp)
{
	struct files_cut *files = of_cut(cut);
	for (size_t i = 0; i < files->info.workload.n_disks; i++) {
		if (!image_check(&files->images[i], errp))
			return prefix_disk(files, i, errp);
	}
	return true;
}

bool files_cut_keep(struct cut *cut, struct err **errp)
{
	(void)errp;
	files_cut_drop(cut);
	return true;
}

void files_cut_drop(struct cut *cut)
{
	struct files_cut *files = of_cut(cut);
	if (!files)
		return;
	for (size_t i = 0; i < ENGINE_DISKS_MAX; i++)
		image_release(&files->images[i]);
	workload_release(&files->info.workload);
	free(files->info.consistency_note);
	free(files);
}
