/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a disk of a cut to a stream of a point, on all processors:
 *
 *   free ─► READERS ─► read ─► WORKERS ─► worked ─► PLACER ─► free
 *           claim, read        zero? id,            in ticket order: reserve, seal,
 *           from the cut       known?, compress     tree
 *
 * A batch is up to 16 chunks. Batches are claimed in address order and carry a ticket; the placer restores that order,
 * so that a pack holds one stream in address order and the tree is built in one pass. A batch is claimed only after a
 * free one was had, so the oldest ticket always has its batch and the chain cannot wait for itself. Packs are finished
 * and put by the session's own threads. When a stage fails, or the run is cancelled, all queues close and every stage
 * ends.
 */
#pragma once

#include "agent/self_check.h"
#include "base/progress.h"
#include "storage/session.h"

struct pipeline_job {
	struct session *session;
	struct engine *engine;
	struct cut *cut;
	size_t disk; /* of the cut */
	const struct change_map *map;
	struct tree_reader *parent; /* NULL: nothing is taken over */
	struct self_check *check;   /* compares all that is read; may be NULL */
	const struct cancel *cancel;
	struct progress *progress; /* may be NULL */
};

struct pipeline_stats {
	uint64_t bytes_read;
	uint64_t bytes_new; /* of chunks that the repository did not have */
};

/* Blocks until the tree is whole. */
NODISCARD bool pipeline_run(const struct pipeline_job *job, struct tree_ref *ret_top, struct pipeline_stats *ret_stats,
			    struct err **errp);
