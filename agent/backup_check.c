/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the change maps told the truth, and what follows when one did not. */
#include <inttypes.h>
#include <stdlib.h>

#include "agent/backup_internal.h"
#include "base/err.h"
#include "base/file.h"

static void tell_wrong(struct backup *run, const char *disk, const struct self_check *check)
{
	AUTO(freep)
	char *text = file_format(
		"disk '%s' had changed at byte %" PRIu64
		"%s though its change map said that it had not: everything was read, so this point is right, but "
		"points since the last full one may lack changes; find out what writes to the image, or to its bitmaps",
		disk, check->first_wrong << check->map->shape.exponent, check->wrong > 1 ? " and elsewhere" : "");
	backup_want_attention(run, text);
}

static void tell_unreadable(struct backup *run, const char *disk, const struct self_check *check)
{
	AUTO(freep)
	char *text = file_format("disk '%s' could not be compared with the last point, which is damaged (%s)", disk,
				 err_message(check->unreadable));
	backup_want_attention(run, text);
}

static bool open_parent(struct backup *run, size_t i, const struct change_map *map, struct self_check *ret,
			struct err **errp)
{
	const struct stream *before = backup_parent_disk(run, &backup_cut_info(run)->workload.disks[i]);

	*ret = (struct self_check){.map = map};
	ret->parent = tree_reader_new(run->packs, &before->shape, &before->top, errp);
	return ret->parent != NULL;
}

void backup_end_check(struct backup *run, size_t i, struct self_check *check)
{
	const char *disk = backup_cut_info(run)->workload.disks[i].name;

	if (check->wrong > 0) {
		run->tracking_wrong = true;
		tell_wrong(run, disk, check);
	}
	if (check->unreadable)
		tell_unreadable(run, disk, check);
	tree_reader_free(check->parent);
	self_check_release(check);
}

bool backup_begin_check(struct backup *run, size_t i, struct self_check *ret, struct err **errp)
{
	*ret = (struct self_check){0};
	return run->said[i].chunks == 0 || open_parent(run, i, &run->said[i], ret, errp);
}

static bool check_some(struct backup *run, size_t i, struct err **errp)
{
	struct self_check_source source = {
		.engine = run->engine, .cut = run->cut, .disk = i, .keys = session_keys(run->session)};
	struct self_check check;
	uint64_t bytes = 0;

	if (!open_parent(run, i, &run->maps[i], &check, errp))
		return false;
	bool ok = self_check_sample(&check, &source, &bytes, errp);

	run->result->bytes_checked += bytes;
	backup_end_check(run, i, &check);
	return ok;
}

bool backup_check_maps(struct backup *run, struct err **errp)
{
	for (size_t i = 0; i < run->n_maps; i++)
		if (backup_disk_is_tracked(run, i) && !run->options->full && !check_some(run, i, errp))
			return false;
	for (size_t i = 0; run->tracking_wrong && i < run->n_maps; i++)
		backup_read_whole(run, i);
	return true;
}
