/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring: a point's streams as files. Images appear under their names only when they are whole and durable
 * (temporary name, fsync, rename); block devices are written in place. Holes stay holes.
 */
#pragma once

#include "base/cancel.h"
#include "base/progress.h"
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
	bool force; /* replace files that exist, write over devices that hold data */
	const struct cancel *cancel;
	struct progress *progress; /* may be NULL */
};

struct restored_file {
	char *name, *path; /* "vda", "domain.xml" */
	uint64_t size;
};

struct restore_result {
	struct restored_file *files;
	size_t n;
};

/* Checks everything that can be checked before the first byte is written: room, sizes, devices in use, existing files.
 */
NODISCARD bool restore_point(const struct repository *repository, const struct point *point,
			     const struct restore_options *options, struct restore_result *ret, struct err **errp);
void restore_result_release(struct restore_result *result);
