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
	struct change_map
		*said;	    /* what the engine alone said of disks that are read whole, to be checked; else empty */
	bool *tree_damaged; /* by disk: its tree in the parent cannot be read, so nothing is taken over from it */
	size_t n_maps;
	bool tracking_wrong; /* a change map left out what had changed */
	struct point point;
};

const struct cut_info *backup_cut_info(const struct backup *run);
/* Sets full and fallback_reason of the result from what the engine and the parent say of each disk. */
void backup_judge_mode(struct backup *run);
/* Why a disk is read whole though the workload has a parent; NULL when its changes are known, or on a first backup. */
const char *backup_disk_reason(const struct backup *run, size_t i);
/* The parent's stream of this disk, when it has the same shape; else NULL. */
const struct stream *backup_parent_disk(const struct backup *run, const struct workload_disk *disk);
/* The engine knows what changed since the parent, also where everything is read because the user asked for it. */
bool backup_disk_is_tracked(const struct backup *run, size_t i);
/* Some disk takes over what the parent has. */
bool backup_inherits(const struct backup *run);
/* The disk's tree in the parent is damaged, as *errp says: takes the error, and the disk is read whole. False when
 * *errp is of anything else. */
NODISCARD bool backup_lose_tree(struct backup *run, size_t i, struct err **errp);
/* Makes the change map of every disk. */
NODISCARD bool backup_map_disks(struct backup *run, struct err **errp);
/* What the session that has begun since must not rely on under the parent is read and stored again. */
NODISCARD bool backup_judge_parent(struct backup *run, struct err **errp);
/* From now on the disk is read whole. */
void backup_read_whole(struct backup *run, size_t i);
/* Reads some chunks of each disk that are said to be unchanged. Where one is not, everything is read. */
NODISCARD bool backup_check_maps(struct backup *run, struct err **errp);
/* A check to give to the pipeline, of a disk that is read whole though its changes are tracked; NULL in ret->parent
 * where there is nothing to compare with. */
NODISCARD bool backup_begin_check(struct backup *run, size_t i, struct self_check *ret, struct err **errp);
/* Takes what the check found; frees its parent. */
void backup_end_check(struct backup *run, size_t i, struct self_check *check);
/* A sentence for people. */
void backup_note(const struct backup *run, const char *text);
/* A sentence why a person should look. */
void backup_want_attention(struct backup *run, const char *why);
/*
 * Stores every disk, the definition and the firmware variables as streams of run->point. *ret_again: a tree that was to
 * be built on turned out to be damaged, so all must be stored again, by another session, without it.
 */
NODISCARD bool backup_store(struct backup *run, bool *ret_again, struct err **errp);
