/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each thread takes the next window of chunks, asks the trees where they lie, and fetches them in the order of their
 * places, neighbours in one request. The first one loads the trace, while the others wait for the lock. What fails
 * here fails no boot: whoever needs the chunk will fetch it, and say why it is not to be had.
 */
#include "storage/trace_play.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "base/pool.h"
#include "storage/tree_read.h"

enum { WINDOW_CHUNKS = 64 };

struct trace_player {
	const struct repository *repository;
	const struct point *point;
	struct pack_reader *packs;
	struct tree_reader **trees; /* by stream of the point; NULL: not a disk */
	struct pool *threads;
	pthread_mutex_t lock; /* of what follows */
	bool loaded, closed;
	struct trace trace;
	size_t run;	 /* the next window begins in it */
	uint16_t inside; /* at this chunk */
};

struct window {
	struct {
		size_t stream; /* of the point */
		uint64_t chunk;
	} places[WINDOW_CHUNKS];
	size_t n;
};

/* The number of streams where there is none of that number, or it is no disk. */
static size_t find_stream(const struct trace_player *player, uint16_t number)
{
	for (size_t i = 0; i < player->point->n_streams; i++)
		if (player->point->streams[i].number == number && player->trees[i])
			return i;
	return player->point->n_streams;
}

/* How many chunks of the run the stream has; the trace may be of another point. */
static uint16_t count_chunks(const struct trace_player *player, const struct trace_run *run, size_t stream)
{
	const struct point *point = player->point;
	uint64_t chunks = stream < point->n_streams ? stream_chunks(&point->streams[stream].shape) : 0;
	uint64_t left = run->first < chunks ? chunks - run->first : 0;
	return left < run->n ? (uint16_t)left : run->n;
}

/* What this point does not have of the run is left out. */
static void take_run(struct trace_player *player, struct window *window)
{
	const struct trace_run *run = &player->trace.runs[player->run];
	size_t stream = find_stream(player, run->stream);
	uint16_t n = count_chunks(player, run, stream);
	for (; player->inside < n && window->n < WINDOW_CHUNKS; player->inside++) {
		window->places[window->n].stream = stream;
		window->places[window->n++].chunk = run->first + player->inside;
	}
	if (player->inside < n)
		return;
	player->inside = 0;
	player->run++;
}

static void load_once(struct trace_player *player)
{
	AUTO(err_freep) struct err *err = NULL;
	if (player->loaded)
		return;
	player->loaded = true;
	if (!trace_find(player->repository, player->point, &player->trace, &err))
		log_debug("trace: %s", err_message(err));
	log_debug("trace: %zu runs", player->trace.n);
}

/* False when there is nothing more. */
static bool take_window(struct trace_player *player, struct window *ret)
{
	ret->n = 0;
	if (!backend_keeps(repository_backend(player->repository)))
		return false;
	pthread_mutex_lock(&player->lock);
	load_once(player);
	while (!player->closed && player->run < player->trace.n && ret->n < WINDOW_CHUNKS)
		take_run(player, ret);
	bool got = ret->n > 0 && !player->closed;
	pthread_mutex_unlock(&player->lock);
	return got;
}

static bool fetch_window(struct trace_player *player, const struct window *window, struct err **errp)
{
	struct chunk_ref refs[WINDOW_CHUNKS];
	size_t n = 0;
	for (size_t i = 0; i < window->n; i++) {
		size_t stream = window->places[i].stream;
		uint64_t chunk = window->places[i].chunk;
		struct tree_ref found;
		if (!tree_find(player->trees[stream], chunk, &found, errp))
			return false;
		if (!chunk_id_is_zero(&found.id))
			refs[n++] = (struct chunk_ref){
				.id = found.id,
				.at = found.at,
				.plain_len = stream_chunk_len(&player->point->streams[stream].shape, chunk)};
	}
	return pack_reader_chunks(player->packs, refs, n, errp);
}

static bool run(void *arg, struct err **errp)
{
	(void)errp;
	struct trace_player *player = arg;
	struct window window;
	while (take_window(player, &window)) {
		AUTO(err_freep) struct err *err = NULL;
		if (!fetch_window(player, &window, &err))
			log_debug("trace: %s", err_message(err));
	}
	return true;
}

static void close_player(void *arg)
{
	struct trace_player *player = arg;
	pthread_mutex_lock(&player->lock);
	player->closed = true;
	pthread_mutex_unlock(&player->lock);
}

static bool open_trees(struct trace_player *player, struct err **errp)
{
	const struct point *point = player->point;
	player->trees = calloc(point->n_streams + 1, sizeof(struct tree_reader *));
	if (!player->trees)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];
		if (stream->kind != STREAM_DISK)
			continue;
		player->trees[i] = tree_reader_new(player->packs, &stream->shape, &stream->top, errp);
		if (!player->trees[i])
			return false;
	}
	return true;
}

struct trace_player *trace_player_start(const struct repository *repository, const struct point *point,
					struct pack_reader *packs, struct err **errp)
{
	AUTO(trace_player_freep) struct trace_player *player = calloc(1, sizeof(*player));
	if (!player) {
		err_set_no_memory(errp);
		return NULL;
	}
	player->repository = repository;
	player->point = point;
	player->packs = packs;
	pthread_mutex_init(&player->lock, NULL);
	if (!open_trees(player, errp))
		return NULL;
	size_t threads = backend_threads(repository_backend(repository));
	player->threads = pool_start("trace", threads, run, close_player, player, errp);
	return player->threads ? STEAL(&player) : NULL;
}

void trace_player_wait(struct trace_player *player)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!pool_join(STEAL(&player->threads), &err))
		log_debug("trace: %s", err_message(err));
}

void trace_player_free(struct trace_player *player)
{
	if (!player)
		return;
	close_player(player);
	trace_player_wait(player);
	for (size_t i = 0; player->trees && i < player->point->n_streams; i++)
		tree_reader_free(player->trees[i]);
	free(player->trees);
	trace_release(&player->trace);
	pthread_mutex_destroy(&player->lock);
	free(player);
}
