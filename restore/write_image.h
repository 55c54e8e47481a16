/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring: a point's streams as files. Images appear under their names only when they are whole and durable
 * (temporary name, fsync, rename); block devices are written in place. Holes stay holes.
 */
#pragma once

#include "base/cancel.h"
#include "base/progress.h"
#include "restore/image_damage.h"
#include "storage/point.h"
#include "storage/repository.h"

enum image_format { IMAGE_RAW, IMAGE_QCOW2 };

struct restore_target {
	const char *disk; /* NULL with a path: the only disk */
	const char *path; /* file or block device */
};

struct restore_options {
	const char *to; /* folder for everything: DIR/<disk>.raw or .qcow2, domain.xml, firmware variables; or NULL */
	const struct restore_target *targets; /* single disks; used when `to` is NULL */
	size_t n_targets;
	enum image_format format;
	bool force;	   /* replace files that exist, write over devices that hold data */
	bool keep_damaged; /* files are made of what is damaged too, with zeros in the place of what cannot be read */
	const struct cancel *cancel;
	struct progress *progress; /* may be NULL */
	/* One sentence a call for people: leftovers that were removed. May be NULL. */
	void (*note)(void *arg, const char *text);
	void *note_arg;
};

struct restored_file {
	char *name, *path; /* "vda", "domain.xml" */
	uint64_t size;
	bool made;		    /* path has it, with zeros where it is damaged */
	bool spoiled;		    /* path is a device that was being written when it failed */
	struct image_damage damage; /* bytes is 0: it is whole */
	char *healed;		    /* a sentence of what was read from elsewhere, since it is damaged; or NULL */
	uint64_t healed_chunks;
};

struct restore_result {
	struct restored_file *files;
	size_t n, n_damaged;
};

/*
 * Checks everything that can be checked before the first byte is written: room, sizes, devices in use, existing files.
 * Damage in one stream is no failure, and does not keep the others from being restored: the result tells. After a
 * failure it tells what was made before.
 */
NODISCARD bool restore_point(const struct repository *repository, const struct point *point,
			     const struct restore_options *options, struct restore_result *ret, struct err **errp);
bool restored_file_is_whole(const struct restored_file *file);
void restore_result_release(struct restore_result *result);
