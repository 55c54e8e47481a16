/* SPDX-License-Identifier: Apache-2.0 */
/* What the steps of a backup share. */
#pragma once

#include "agent/backup.h"
#include "agent/parent.h"
#include "agent/pipeline.h"
#include "storage/pack_read.h"

/* One run; each step fills its part, and release() takes what is there. */
struct backup {
	struct repository *repository;
	struct engine *engine;
	const struct backup_options *options;
	struct backup_result *result;
	struct workload workload;
	int lock;
	struct tracking tracking;
	struct parent parent;
	struct session *session;
	struct cut *cut;
	struct pack_reader *packs;
	struct change_map *maps; /* by disk of the cut */
	size_t n_maps;
	struct point point;
};

const struct cut_info *backup_cut_info(const struct backup *run);
/* Sets full and fallback_reason of the result from what the engine and the parent say of each disk. */
void backup_judge_mode(struct backup *run);
/* Why a disk is read whole though the workload has a parent; NULL when its changes are known, or on a first backup. */
const char *backup_disk_reason(const struct backup *run, size_t i);
/* The parent's stream of this disk, when it has the same shape; else NULL. */
const struct stream *backup_parent_disk(const struct backup *run, const struct workload_disk *disk);
/* Some disk takes over what the parent has. */
bool backup_inherits(const struct backup *run);
/* Makes the change map of every disk. */
NODISCARD bool backup_map_disks(struct backup *run, struct err **errp);
/* Stores every disk, the definition and the firmware variables as streams of run->point. */
NODISCARD bool backup_store(struct backup *run, struct err **errp);
