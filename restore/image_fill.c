/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   walker ──batch of chunk references──► full ──► worker: fetch, open, write ──► empty ──► walker
 *
 * Batches are few and of fixed size, which bounds memory. When any thread fails, both queues close and everybody ends.
 * Damage is no failure: a batch that cannot be read as one is read chunk by chunk, and what is damaged is noted.
 */
#include "restore/image_fill.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/pool.h"
#include "base/queue.h"
#include "storage/stream_read.h"

enum {
	BATCH_BYTES = 4 << 20,
	BATCH_CHUNKS = 1024,
	SPARE_BATCHES = 2,
	WAITING_WORKERS = 6, /* for a disk near by, while as many others as there are processors decode */
	FAR_SHARE = 2,	     /* of the requests at once that pay: batches are large, and so are requests */
	PAGE = 4096,
};

struct batch {
	struct chunk_ref refs[BATCH_CHUNKS];
	uint64_t offsets[BATCH_CHUNKS];
	size_t n, len;
	uint8_t *data; /* BATCH_BYTES; chunks lie one behind the other */
};

struct work {
	const struct image_fill *fill;
	struct queue *empty, *full;
	struct batch *batch; /* what the walker fills */
	uint64_t next;	     /* the walker has dealt with everything before */
};

/* ---- workers ---- */

/* Writes neighbours in one go. */
static bool write_batch(const struct image_fill *fill, const struct batch *batch, struct err **errp)
{
	for (size_t i = 0; i < batch->n;) {
		size_t first = i, len = 0;
		do {
			len += batch->refs[i++].plain_len;
		} while (i < batch->n && batch->offsets[i] == batch->offsets[first] + len);
		if (!fill->sink->ops->write(fill->sink, batch->refs[first].plain, len, batch->offsets[first], errp))
			return false;
	}
	return true;
}

/* The chunk is not to be had: its place reads as zeros, and is noted. */
static bool give_up_chunk(const struct image_fill *fill, uint64_t offset, uint32_t len, struct err **errp)
{
	struct image_sink *sink = fill->sink;
	return image_damage_take(fill->damage, offset, len, errp) &&
	       (!sink->ops->zero || sink->ops->zero(sink, offset, len, errp));
}

/* One by one, and what can be read stays in the batch. Chunks that follow each other in the image still do in memory.
 */
static bool salvage_batch(const struct image_fill *fill, struct batch *batch, struct err **errp)
{
	size_t kept = 0;
	for (size_t i = 0; i < batch->n; i++) {
		struct chunk_ref ref = batch->refs[i];
		uint64_t offset = batch->offsets[i];
		if (pack_reader_chunks(fill->packs, &ref, 1, errp)) {
			batch->refs[kept] = ref;
			batch->offsets[kept++] = offset;
		} else if (!give_up_chunk(fill, offset, ref.plain_len, errp)) {
			return false;
		}
	}
	batch->n = kept;
	return true;
}

static bool read_batch(const struct image_fill *fill, struct batch *batch, struct err **errp)
{
	if (pack_reader_chunks(fill->packs, batch->refs, batch->n, errp))
		return true;
	if (err_is_of_run(err_code(*errp)))
		return false;
	err_clear(errp); /* it comes again, with the chunk that it is of */
	return salvage_batch(fill, batch, errp);
}

static bool run_worker(void *arg, struct err **errp)
{
	struct work *work = arg;
	struct batch *batch;
	while ((batch = queue_take(work->full))) {
		if (work->fill->cancel && !cancel_check(work->fill->cancel, errp))
			return false;
		if (!read_batch(work->fill, batch, errp) || !write_batch(work->fill, batch, errp))
			return false;
		if (work->fill->progress)
			work->fill->progress->done += batch->len;
		batch->n = batch->len = 0;
		if (!queue_put(work->empty, batch))
			return true;
	}
	return true;
}

static void stop_all(void *arg)
{
	struct work *work = arg;
	queue_close(work->empty);
	queue_close(work->full);
}

/* ---- walker ---- */

static bool hand_over(struct work *work)
{
	return !work->batch || queue_put(work->full, STEAL(&work->batch));
}

static bool zero_until(struct work *work, uint64_t offset, struct err **errp)
{
	struct image_sink *sink = work->fill->sink;
	bool ok = offset <= work->next || !sink->ops->zero ||
		  sink->ops->zero(sink, work->next, offset - work->next, errp);
	work->next = offset;
	return ok;
}

/* Room for one chunk more. False also when a worker failed; then the error is with the pool. */
static bool make_room(struct work *work, uint32_t len)
{
	if (work->batch && (work->batch->n == BATCH_CHUNKS || work->batch->len + len > BATCH_BYTES) && !hand_over(work))
		return false;
	if (!work->batch)
		work->batch = queue_take(work->empty);
	return work->batch;
}

static bool add_chunk(void *arg, uint64_t index, const struct tree_ref *chunk, struct err **errp)
{
	struct work *work = arg;
	const struct stream_shape *shape = &work->fill->stream->shape;
	uint64_t offset = index << shape->exponent;
	uint32_t len = stream_chunk_len(shape, index);
	if (work->fill->cancel && !cancel_check(work->fill->cancel, errp))
		return false;
	if (!zero_until(work, offset, errp))
		return false;
	if (!make_room(work, len))
		return err_set(errp, ERR_CANCELLED, "a worker failed");
	struct batch *batch = work->batch;
	batch->refs[batch->n] = (struct chunk_ref){
		.id = chunk->id,
		.at = chunk->at,
		.plain_len = len,
		.plain = batch->data + batch->len,
		.place = {.stream = work->fill->stream->number, .index = index},
	};
	batch->offsets[batch->n++] = offset;
	batch->len += len;
	work->next = offset + len;
	return true;
}

/* What a damaged node leads to. It becomes zeros as the holes do. */
static bool lose_chunks(void *arg, uint64_t first, uint64_t end, struct err **errp)
{
	struct work *work = arg;
	const struct stream_shape *shape = &work->fill->stream->shape;
	uint64_t offset = first << shape->exponent;
	uint64_t len = ((end - 1 - first) << shape->exponent) + stream_chunk_len(shape, end - 1);
	return image_damage_take(work->fill->damage, offset, len, errp);
}

static bool walk(struct work *work, struct err **errp)
{
	const struct stream *stream = work->fill->stream;
	AUTO(tree_reader_freep)
	struct tree_reader *tree = stream_tree_new(work->fill->packs, stream, errp);
	if (!tree || !tree_each_around(tree, add_chunk, lose_chunks, work, errp))
		return false;
	if (!zero_until(work, stream->shape.size, errp))
		return false;
	return hand_over(work) || err_set(errp, ERR_CANCELLED, "a worker failed");
}

/* A worker's error is the cause, the walker's only a consequence of the closed queues. */
static bool walk_and_join(struct work *work, struct pool *pool, struct err **errp)
{
	AUTO(err_freep) struct err *walk_error = NULL;
	bool walked = walk(work, &walk_error);
	queue_close(work->full);
	if (!pool_join(pool, errp))
		return false;
	return walked || err_move(errp, &walk_error);
}

static void free_batches(struct batch *batches, size_t n)
{
	for (size_t i = 0; batches && i < n; i++)
		free(batches[i].data);
	free(batches);
}

static struct batch *make_batches(size_t n, struct queue *empty, struct err **errp)
{
	struct batch *batches = calloc(n, sizeof(*batches));
	for (size_t i = 0; batches && i < n; i++) {
		batches[i].data = aligned_alloc(PAGE, BATCH_BYTES);
		if (!batches[i].data || !queue_put(empty, &batches[i])) {
			free_batches(batches, n);
			batches = NULL;
		}
	}
	if (!batches)
		err_set_no_memory(errp);
	return batches;
}

bool image_fill(const struct image_fill *fill, struct err **errp)
{
	unsigned in_flight = pack_reader_in_flight(fill->packs);
	size_t workers = pool_processors() + (in_flight ? in_flight / FAR_SHARE : WAITING_WORKERS),
	       n = workers + SPARE_BATCHES;
	AUTO(queue_freep) struct queue *empty = queue_new(n, errp);
	if (!empty)
		return false;
	AUTO(queue_freep) struct queue *full = queue_new(n, errp);
	if (!full)
		return false;
	struct batch *batches = make_batches(n, empty, errp);
	if (!batches)
		return false;
	struct work work = {.fill = fill, .empty = empty, .full = full};
	struct pool *pool = pool_start("restore", workers, run_worker, stop_all, &work, errp);
	bool ok = pool && walk_and_join(&work, pool, errp);
	free_batches(batches, n);
	image_damage_sort(fill->damage);
	return ok || err_prefix(errp, "disk %s", fill->stream->name);
}

/* ---- how much it will be ---- */

struct count {
	const struct stream_shape *shape;
	const struct cancel *cancel;
	uint64_t bytes;
};

static bool count_chunk(void *arg, uint64_t index, const struct tree_ref *chunk, struct err **errp)
{
	struct count *count = arg;
	(void)chunk;
	count->bytes += stream_chunk_len(count->shape, index);
	return !count->cancel || cancel_check(count->cancel, errp);
}

/* Whoever fills an image from it will tell. */
static bool pass_over_lost(void *arg, uint64_t first, uint64_t end, struct err **errp)
{
	(void)arg;
	(void)first;
	(void)end;
	if (err_is_of_run(err_code(*errp)))
		return false;
	err_clear(errp);
	return true;
}

bool image_data_bytes(struct pack_reader *packs, const struct stream *stream, const struct cancel *cancel,
		      uint64_t *ret, struct err **errp)
{
	struct count count = {.shape = &stream->shape, .cancel = cancel};
	AUTO(tree_reader_freep) struct tree_reader *tree = stream_tree_new(packs, stream, errp);
	if (!tree || !tree_each_around(tree, count_chunk, pass_over_lost, &count, errp))
		return err_prefix(errp, "disk %s", stream->name);
	*ret = count.bytes;
	return true;
}
