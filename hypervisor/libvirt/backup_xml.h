/* SPDX-License-Identifier: Apache-2.0 */
/* The two documents that begin a backup job, from a plan that says for each disk what is wanted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/engine.h"

struct err;

struct plan_disk {
	const char *name;
	char *scratch;		 /* file for old data of blocks overwritten meanwhile */
	bool tracked;		 /* gets a bitmap with this cut */
	const char *fallback;	 /* as in engine.h; NULL: only what changed since the parent is marked */
	uint64_t size, identity; /* remembered with the checkpoint: they tell a grown or a replaced image; see
				    image_identity.h */
	const char *source;
	bool qcow2;
};

struct plan {
	struct plan_disk disks[ENGINE_DISKS_MAX];
	size_t n_disks;
	char **left_out; /* targets that stay out of the job: libvirt takes in every disk that is not named */
	size_t n_left_out;
	const char *socket;
	char checkpoint[TRACKING_MAX + 1]; /* empty: no disk is tracked */
	const char *parent;		   /* checkpoint of the last kept cut */
};

void plan_release(struct plan *plan);

/* New strings; NULL on lack of memory. */
char *backup_xml_job(const struct plan *plan);
char *backup_xml_checkpoint(const struct plan *plan);

/* What the checkpoint of an earlier cut remembers of a disk. False when it has no bitmap for that disk. */
bool checkpoint_xml_disk(const char *xml, const char *disk, uint64_t *ret_size, uint64_t *ret_identity);
