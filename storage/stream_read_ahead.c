/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads that go on near where earlier ones ended make a track. Several tracks are kept, because copying tools read a
 * disk in several places at once, and requests of one reader arrive out of order. Behind a track's second read, batches
 * of chunks are queued for the threads, up to a distance in front of the reader; where it is to be careful, up to what
 * the track has read, so that what is fetched for nothing stays below what is fetched. A full queue drops the batch:
 * the reader will fetch those chunks itself. What the threads fail to fetch is no error here, for the same reason.
 */
#include "storage/stream_read_ahead_internal.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/pool.h"

enum {
	TRACKS = 8,
	QUEUE = 64,
	BATCH_BYTES = 1 << 20,
	DISTANCE_BYTES = 8 << 20,
	CAREFUL_DISTANCE_BYTES = 16 << 20,
	CAREFUL_NEAR_BYTES = 2 << 20, /* requests of one reader are not further apart */
	CAREFUL_FIRST = 4,	      /* such a part of a batch is worth a call, too */
	STREAK_NEEDED = 2,
};

struct track {
	uint64_t used;	/* when, by the count of reads; 0: never */
	uint64_t front; /* end of the furthest read */
	uint64_t ahead; /* end of what was queued */
	uint64_t read;	/* chunks */
	unsigned streak;
};

struct batch {
	uint64_t first;
	size_t n;
};

struct read_ahead {
	struct stream_cache *cache;
	uint64_t chunks;
	bool careful;
	uint64_t least, batch, distance, near; /* in chunks */
	struct pool *threads;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t queued;
	bool closed;
	uint64_t reads;
	struct track tracks[TRACKS];
	size_t queue_first, queue_n;
	struct batch queue[QUEUE];
};

static bool take_batch(struct read_ahead *ahead, struct batch *ret)
{
	pthread_mutex_lock(&ahead->lock);
	while (!ahead->closed && ahead->queue_n == 0)
		pthread_cond_wait(&ahead->queued, &ahead->lock);
	bool got = !ahead->closed;
	if (got) {
		*ret = ahead->queue[ahead->queue_first];
		ahead->queue_first = (ahead->queue_first + 1) % QUEUE;
		ahead->queue_n--;
	}
	pthread_mutex_unlock(&ahead->lock);
	return got;
}

static bool run(void *arg, struct err **errp)
{
	(void)errp;
	struct read_ahead *ahead = arg;
	struct batch batch;
	while (take_batch(ahead, &batch)) {
		AUTO(err_freep) struct err *err = NULL;
		if (!stream_cache_prefetch(ahead->cache, batch.first, batch.n, &err))
			continue;
	}
	return true;
}

static void close_queue(void *arg)
{
	struct read_ahead *ahead = arg;
	pthread_mutex_lock(&ahead->lock);
	ahead->closed = true;
	pthread_cond_broadcast(&ahead->queued);
	pthread_mutex_unlock(&ahead->lock);
}

static uint64_t at_least_one(uint64_t n)
{
	return n > 0 ? n : 1;
}

struct read_ahead *read_ahead_new(struct stream_cache *cache, const struct stream_shape *shape, unsigned threads,
				  bool careful, struct err **errp)
{
	AUTO(read_ahead_freep) struct read_ahead *ahead = calloc(1, sizeof(*ahead));
	if (!ahead) {
		err_set_no_memory(errp);
		return NULL;
	}
	ahead->cache = cache;
	ahead->chunks = stream_chunks(shape);
	ahead->batch = at_least_one(BATCH_BYTES >> shape->exponent);
	if (ahead->batch > STREAM_WINDOW)
		ahead->batch = STREAM_WINDOW;
	ahead->careful = careful;
	ahead->least = careful ? at_least_one(ahead->batch / CAREFUL_FIRST) : ahead->batch;
	/*
	 * What is fetched ahead must still be there when the reader comes: a track gets a quarter of the cache at most.

	 */
	ahead->distance = (careful ? CAREFUL_DISTANCE_BYTES : DISTANCE_BYTES) >> shape->exponent;
	if (ahead->distance > stream_cache_slots(cache) / 4)
		ahead->distance = stream_cache_slots(cache) / 4;
	ahead->near = careful ? at_least_one(CAREFUL_NEAR_BYTES >> shape->exponent) : ahead->distance;
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->queued, NULL);
	ahead->threads = pool_start("read-ahead", threads, run, close_queue, ahead, errp);
	return ahead->threads ? STEAL(&ahead) : NULL;
}

void read_ahead_free(struct read_ahead *ahead)
{
	if (!ahead)
		return;
	close_queue(ahead);
	AUTO(err_freep) struct err *err = NULL;
	if (!pool_join(ahead->threads, &err))
		err_clear(&err);
	pthread_cond_destroy(&ahead->queued);
	pthread_mutex_destroy(&ahead->lock);
	free(ahead);
}

/* The read goes on where this track is, give or take what parallel requests of one reader are apart. */
static bool belongs(const struct read_ahead *ahead, const struct track *track, uint64_t first)
{
	return track->used != 0 && first + ahead->near >= track->front && first <= track->front + ahead->near;
}

/* The track of a read, or the least recently used one, begun anew. */
static struct track *find_track(struct read_ahead *ahead, uint64_t first)
{
	struct track *least = &ahead->tracks[0];
	for (size_t i = 0; i < TRACKS; i++) {
		struct track *track = &ahead->tracks[i];
		if (belongs(ahead, track, first))
			return track;
		if (track->used < least->used)
			least = track;
	}
	*least = (struct track){.front = first};
	return least;
}

static void queue_batches(struct read_ahead *ahead, struct track *track)
{
	uint64_t reach = ahead->careful && track->read < ahead->distance ? track->read : ahead->distance;
	uint64_t limit = ahead->chunks - track->front < reach ? ahead->chunks : track->front + reach;
	if (track->ahead < track->front)
		track->ahead = track->front;
	while (track->ahead < limit && ahead->queue_n < QUEUE) {
		uint64_t n = limit - track->ahead < ahead->batch ? limit - track->ahead : ahead->batch;
		if (n < ahead->least && limit != ahead->chunks)
			return; /* a batch is worth a call; it will be one after a few more reads */
		ahead->queue[(ahead->queue_first + ahead->queue_n) % QUEUE] = (struct batch){track->ahead, (size_t)n};
		ahead->queue_n++;
		track->ahead += n;
		pthread_cond_signal(&ahead->queued);
	}
}

void read_ahead_note(struct read_ahead *ahead, uint64_t first, uint64_t end)
{
	pthread_mutex_lock(&ahead->lock);
	struct track *track = find_track(ahead, first);
	track->used = ++ahead->reads;
	track->read += end - first;
	if (end > track->front) {
		track->front = end;
		track->streak++;
	}
	if (track->streak >= STREAK_NEEDED)
		queue_batches(ahead, track);
	pthread_mutex_unlock(&ahead->lock);
}
