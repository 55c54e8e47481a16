/* SPDX-License-Identifier: Apache-2.0 */
/* The first stage: claims what comes next on the disk and reads it from the cut. */
#include "agent/pipeline_internal.h"
#include "base/err.h"

/* Fills the batch from where the last claim ended. False when there is nothing left. */
static bool claim_items(struct pipeline *pipeline, struct batch *batch)
{
	const struct change_map *map = pipeline->job->map;
	struct change_run run;
	size_t chunks = 0;

	batch->n = 0;
	while (batch->n < BATCH_ITEMS && chunks < BATCH_CHUNKS && change_map_next(map, pipeline->next_chunk, &run)) {
		struct item *item = &batch->items[batch->n++];

		*item = (struct item){.first = run.first, .end = run.end, .state = ITEM_PUNCH};
		if (run.kind == CHANGE_READ) {
			size_t slot = chunks++ << map->shape.exponent;

			item->state = ITEM_NEW;
			item->end = run.first + 1;
			item->plain_len = stream_chunk_len(&map->shape, run.first);
			item->plain = batch->plain + slot;
			item->packed = batch->packed + slot;
		}
		pipeline->next_chunk = item->end;
	}
	return batch->n > 0;
}

static bool claim(struct pipeline *pipeline, struct batch *batch)
{
	pthread_mutex_lock(&pipeline->claim_lock);
	bool some = !pipeline->all_claimed && claim_items(pipeline, batch);

	if (some)
		batch->ticket = pipeline->next_ticket++;
	else
		pipeline->all_claimed = true;
	pthread_mutex_unlock(&pipeline->claim_lock);
	return some;
}

/* Neighbours on the disk lie side by side in the batch, so they become one request. */
static size_t make_requests(const struct batch *batch, unsigned exponent, struct read_request *requests,
			    uint64_t *ret_bytes)
{
	size_t n = 0;

	*ret_bytes = 0;
	for (size_t i = 0; i < batch->n; i++) {
		const struct item *item = &batch->items[i];
		uint64_t offset = item->first << exponent;

		if (item->state == ITEM_PUNCH)
			continue;
		*ret_bytes += item->plain_len;
		if (n > 0 && requests[n - 1].offset + requests[n - 1].length == offset)
			requests[n - 1].length += item->plain_len;
		else
			requests[n++] = (struct read_request){offset, item->plain_len, item->plain};
	}
	return n;
}

static bool read_batch(struct pipeline *pipeline, struct cut_reader *reader, struct batch *batch, struct err **errp)
{
	const struct pipeline_job *job = pipeline->job;
	struct read_request requests[BATCH_CHUNKS];
	uint64_t bytes;
	size_t n = make_requests(batch, job->map->shape.exponent, requests, &bytes);

	if (n > 0 && !job->engine->ops->read(reader, requests, n, errp))
		return false;
	atomic_fetch_add(&pipeline->bytes_read, bytes);
	if (job->progress)
		atomic_fetch_add(&job->progress->done, bytes);
	return true;
}

static bool read_all(struct pipeline *pipeline, struct cut_reader *reader, struct err **errp)
{
	struct batch *batch;

	while ((batch = queue_take(pipeline->free)) && claim(pipeline, batch)) {
		if (!cancel_check(pipeline->job->cancel, errp) || !read_batch(pipeline, reader, batch, errp))
			return false;
		if (!queue_put(pipeline->read, batch))
			return true;
	}
	return true;
}

bool pipeline_read_stage(void *arg, struct err **errp)
{
	struct pipeline *pipeline = arg;
	const struct engine_ops *ops = pipeline->job->engine->ops;
	struct cut_reader *reader = ops->reader_new(pipeline->job->cut, pipeline->job->disk, errp);

	if (!reader)
		return false;
	bool ok = read_all(pipeline, reader, errp);

	ops->reader_free(reader);
	if (ok && atomic_fetch_sub(&pipeline->readers_left, 1) == 1)
		queue_close(pipeline->read);
	return ok;
}
