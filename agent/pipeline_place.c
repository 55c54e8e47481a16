/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The last stage, one thread: takes batches in the order of their tickets, gives each new chunk its place, seals it
 * there, and builds the tree.
 */
#include <stdlib.h>

#include "agent/pipeline_internal.h"
#include "base/err.h"

static bool store_new(struct pipeline *pipeline, struct item *item, struct err **errp)
{
	struct session *session = pipeline->job->session;
	struct reservation reservation;

	if (!session_reserve(session, &item->ref.id, item->plain_len, item->codec, item->stored.len, &reservation,
			     errp))
		return false;
	item->ref.at = reservation.at;
	if (reservation.stored)
		return true;
	atomic_fetch_add(&pipeline->bytes_new, item->plain_len);
	return session_seal(session, &reservation, item->stored, errp);
}

static bool place_item(struct pipeline *pipeline, struct item *item, struct err **errp)
{
	static const struct tree_ref hole;

	switch (item->state) {
	case ITEM_PUNCH:
		return tree_writer_punch(pipeline->tree, item->first, item->end, errp);
	case ITEM_ZERO:
		return tree_writer_put(pipeline->tree, item->first, &hole, errp);
	case ITEM_NEW:
		if (!store_new(pipeline, item, errp))
			return false;
		break;
	case ITEM_KNOWN:
		break;
	}
	return tree_writer_put(pipeline->tree, item->first, &item->ref, errp);
}

static bool check_item(struct self_check *check, const struct item *item, struct err **errp)
{
	if (item->state == ITEM_PUNCH)
		return self_check_zeros(check, item->first, item->end, errp);
	return self_check_chunk(check, item->first, &item->ref.id, errp);
}

static bool place_batch(struct pipeline *pipeline, struct batch *batch, struct err **errp)
{
	struct progress *progress = pipeline->job->progress;
	struct session_stats stats;

	for (size_t i = 0; i < batch->n; i++) {
		if (pipeline->job->check && !check_item(pipeline->job->check, &batch->items[i], errp))
			return false;
		if (!place_item(pipeline, &batch->items[i], errp))
			return false;
	}
	session_get_stats(pipeline->job->session, &stats);
	if (progress)
		atomic_store(&progress->extra, stats.bytes_stored);
	return true;
}

/* waiting[ticket % n_batches] holds batches that came early; there are no more tickets under way than batches. */
static bool place_all(struct pipeline *pipeline, struct batch **waiting, struct err **errp)
{
	uint64_t ticket = 0;
	struct batch *batch;

	while ((batch = queue_take(pipeline->worked))) {
		waiting[batch->ticket % pipeline->n_batches] = batch;
		while ((batch = waiting[ticket % pipeline->n_batches])) {
			waiting[ticket++ % pipeline->n_batches] = NULL;
			if (!place_batch(pipeline, batch, errp))
				return false;
			if (!queue_put(pipeline->free, batch))
				return true;
		}
	}
	return true;
}

bool pipeline_place_stage(void *arg, struct err **errp)
{
	struct pipeline *pipeline = arg;
	struct batch **waiting = calloc(pipeline->n_batches, sizeof(struct batch *));

	if (!waiting)
		return err_set_no_memory(errp);
	bool ok = place_all(pipeline, waiting, errp);

	free(waiting);
	return ok;
}
