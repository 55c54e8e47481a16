/* SPDX-License-Identifier: Apache-2.0 */
/* What the stages of the pipeline share. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "agent/pipeline.h"
#include "base/queue.h"

#define BATCH_CHUNKS 16u
#define BATCH_ITEMS 64u

enum item_state { ITEM_PUNCH, ITEM_ZERO, ITEM_KNOWN, ITEM_NEW };

/* One chunk, or a run of punched chunks. */
struct item {
	enum item_state state;
	uint64_t first, end; /* end: of punched runs */
	struct tree_ref ref; /* id, and for known ones the place */
	uint32_t plain_len;
	enum chunk_codec codec;
	struct span stored; /* of new ones: in plain or in packed */
	uint8_t *plain, *packed;
};

struct batch {
	uint64_t ticket;
	size_t n;
	struct item items[BATCH_ITEMS];
	uint8_t *plain, *packed; /* BATCH_CHUNKS chunks each */
};

struct pipeline {
	const struct pipeline_job *job;
	struct batch *batches;
	size_t n_batches;
	struct queue *free, *read, *worked;

	pthread_mutex_t claim_lock; /* of the three below; nothing else is locked while it is held */
	uint64_t next_ticket, next_chunk;
	bool all_claimed;

	atomic_size_t readers_left, workers_left; /* the last one closes the queue behind its stage */
	atomic_uint_fast64_t bytes_read, bytes_new;

	struct tree_writer *tree; /* the placer's alone */
};

/* Pool functions of the stages; arg is the pipeline. They end quietly when a queue was closed. */
bool pipeline_read_stage(void *arg, struct err **errp);
bool pipeline_work_stage(void *arg, struct err **errp);
bool pipeline_place_stage(void *arg, struct err **errp);
