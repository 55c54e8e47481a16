/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the chain of stages, runs it to its end, and takes it down. The picture is in pipeline.h. */
#include "agent/pipeline.h"

#include <stdlib.h>

#include "agent/pipeline_internal.h"
#include "base/err.h"
#include "base/pool.h"

/* Connections to the source: enough to keep it busy while the processors work. */
#define READERS 4

static void close_queues(void *arg)
{
	struct pipeline *pipeline = arg;

	queue_close(pipeline->free);
	queue_close(pipeline->read);
	queue_close(pipeline->worked);
}

static void free_batches(struct pipeline *pipeline)
{
	for (size_t i = 0; pipeline->batches && i < pipeline->n_batches; i++) {
		free(pipeline->batches[i].plain);
		free(pipeline->batches[i].packed);
	}
	free(pipeline->batches);
}

static bool make_batches(struct pipeline *pipeline, struct err **errp)
{
	size_t room = (size_t)BATCH_CHUNKS << pipeline->job->map->shape.exponent;

	pipeline->batches = calloc(pipeline->n_batches, sizeof(struct batch));
	if (!pipeline->batches)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < pipeline->n_batches; i++) {
		struct batch *batch = &pipeline->batches[i];

		batch->plain = malloc(room);
		batch->packed = malloc(room);
		if (!batch->plain || !batch->packed)
			return err_set_no_memory(errp);
		if (!queue_put(pipeline->free, batch))
			return err_set(errp, ERR_FAILED, "the pipeline was closed while it was made");
	}
	return true;
}

static bool make(struct pipeline *pipeline, struct err **errp)
{
	const struct pipeline_job *job = pipeline->job;

	pipeline->free = queue_new(pipeline->n_batches, errp);
	if (!pipeline->free)
		return false;
	pipeline->read = queue_new(pipeline->n_batches, errp);
	if (!pipeline->read)
		return false;
	pipeline->worked = queue_new(pipeline->n_batches, errp);
	if (!pipeline->worked)
		return false;
	pipeline->tree = tree_writer_new(session_keys(job->session), &job->map->shape, job->parent,
					 session_is_condemned, job->session, session_store_node, job->session, errp);
	return pipeline->tree && make_batches(pipeline, errp);
}

static void release(struct pipeline *pipeline)
{
	tree_writer_free(pipeline->tree);
	queue_free(pipeline->free);
	queue_free(pipeline->read);
	queue_free(pipeline->worked);
	free_batches(pipeline);
	pthread_mutex_destroy(&pipeline->claim_lock);
}

static bool join(struct pipeline *pipeline, struct pool *pool, bool ok, struct err **errp)
{
	struct err *second = NULL;

	if (ok)
		return pool_join(pool, errp);
	close_queues(pipeline);
	if (!pool_join(pool, &second))
		err_free(second);
	return false;
}

/* Joined in the order of the stages: the first error down the chain is the one that is told. */
static bool run(struct pipeline *pipeline, size_t workers, struct err **errp)
{
	struct pool *readers = NULL, *working = NULL, *placer = NULL;
	bool ok = (placer = pool_start("place", 1, pipeline_place_stage, close_queues, pipeline, errp)) &&
		  (working = pool_start("work", workers, pipeline_work_stage, close_queues, pipeline, errp)) &&
		  (readers = pool_start("read", READERS, pipeline_read_stage, close_queues, pipeline, errp));

	ok = join(pipeline, readers, ok, errp);
	ok = join(pipeline, working, ok, errp);
	return join(pipeline, placer, ok, errp);
}

bool pipeline_run(const struct pipeline_job *job, struct tree_ref *ret_top, struct pipeline_stats *ret_stats,
		  struct err **errp)
{
	size_t workers = pool_processors();
	struct pipeline pipeline = {.job = job, .n_batches = READERS + 2 * workers + 2};

	pthread_mutex_init(&pipeline.claim_lock, NULL);
	atomic_init(&pipeline.readers_left, READERS);
	atomic_init(&pipeline.workers_left, workers);
	bool ok = make(&pipeline, errp) && run(&pipeline, workers, errp) &&
		  tree_writer_finish(pipeline.tree, ret_top, errp);

	*ret_stats = (struct pipeline_stats){atomic_load(&pipeline.bytes_read), atomic_load(&pipeline.bytes_new)};
	release(&pipeline);
	return ok;
}
