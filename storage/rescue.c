/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/rescue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "storage/index.h"
#include "storage/rescue_points_internal.h"

#define FROM_INDEX SIZE_MAX

/* Of one stream. */
struct tally {
	struct rescue_healed healed;
	bool begun;
	uint8_t *chunks; /* a bit for each that was read from elsewhere; made with the first */
};

struct rescue {
	const struct repository *repository;
	const struct point *point;
	struct rescue_options options;
	pthread_mutex_t lock; /* of what follows */
	bool asked_points, asked_index;
	struct rescue_points *points; /* NULL: none can be asked */
	struct index *index;	      /* NULL: there is none here */
	struct tally *tallies;	      /* by stream of the point */
};

struct rescue *rescue_new(const struct repository *repository, const struct point *point,
			  const struct rescue_options *options, struct err **errp)
{
	struct rescue *rescue = calloc(1, sizeof(*rescue));

	if (!rescue || !(rescue->tallies = calloc(point->n_streams + 1, sizeof(*rescue->tallies)))) {
		free(rescue);
		err_set_no_memory(errp);
		return NULL;
	}
	rescue->repository = repository;
	rescue->point = point;
	rescue->options = *options;
	for (size_t i = 0; i < point->n_streams; i++)
		rescue->tallies[i].healed.stream = &point->streams[i];
	pthread_mutex_init(&rescue->lock, NULL);
	return rescue;
}

void rescue_free(struct rescue *rescue)
{
	if (!rescue)
		return;
	for (size_t i = 0; i < rescue->point->n_streams; i++)
		free(rescue->tallies[i].chunks);
	free(rescue->tallies);
	rescue_points_free(rescue->points);
	index_free(rescue->index);
	pthread_mutex_destroy(&rescue->lock);
	free(rescue);
}

void rescue_search_release(struct rescue_search *search)
{
	pack_set_release(&search->tried);
}

static struct tally *find_tally(struct rescue *rescue, uint16_t number)
{
	for (size_t i = 0; i < rescue->point->n_streams; i++)
		if (rescue->point->streams[i].number == number)
			return &rescue->tallies[i];
	return NULL;
}

static struct rescue_points *open_points(struct rescue *rescue)
{
	AUTO(err_freep) struct err *err = NULL;

	if (!rescue->asked_points) {
		rescue->asked_points = true;
		rescue->points = rescue_points_new(rescue->repository, rescue->point, rescue->options.cancel, &err);
		if (!rescue->points)
			log_debug("damaged content is not looked for in other points: %s", err_message(err));
	}
	return rescue->points;
}

/* Whoever has no index does without: to make one, a whole repository would have to be read. */
static struct index *open_index(struct rescue *rescue)
{
	AUTO(err_freep) struct err *err = NULL;

	if (!rescue->asked_index && index_exists(rescue->repository)) {
		AUTO(index_freep) struct index *index = index_open(rescue->repository, &err);
		if (index && index_recall(index, rescue->options.cancel, &err))
			rescue->index = STEAL(&index);
		else
			log_debug("damaged content is not looked for in the index: %s", err_message(err));
	}
	rescue->asked_index = true;
	return rescue->index;
}

/* The lock is held. */
static bool find(struct rescue *rescue, struct rescue_search *search)
{
	const struct tally *tally = find_tally(rescue, search->place.stream);
	enum pack_class cls = search->place.height == 0 ? PACK_CHUNKS : PACK_META;

	if (tally && open_points(rescue) &&
	    rescue_points_find(rescue->points, tally->healed.stream, &search->place, &search->id, &search->tried,
			       &search->at, &search->from))
		return true;
	search->from = FROM_INDEX;
	return open_index(rescue) && index_find(rescue->index, cls, &search->id, &search->tried, &search->at);
}

bool rescue_next(struct rescue *rescue, struct rescue_search *search)
{
	AUTO(err_freep) struct err *err = NULL;

	if (!pack_set_add(&search->tried, &search->at.session, search->at.seq, &err))
		return false;
	pthread_mutex_lock(&rescue->lock);
	bool found = find(rescue, search);
	pthread_mutex_unlock(&rescue->lock);
	return found;
}

/* Without memory for the bits, chunks that are read again are counted again. */
static bool is_news(struct tally *tally, uint64_t chunk)
{
	uint8_t bit = (uint8_t)(1u << chunk % 8);

	if (!tally->chunks)
		tally->chunks = calloc(stream_chunks(&tally->healed.stream->shape) / 8 + 1, 1);
	if (!tally->chunks)
		return true;
	bool news = !(tally->chunks[chunk / 8] & bit);
	tally->chunks[chunk / 8] |= bit;
	return news;
}

/* The lock is held. */
static void count(struct tally *tally, const struct tree_place *place, const struct point *from)
{
	struct rescue_healed *healed = &tally->healed;

	if (place->height > 0)
		healed->nodes = true;
	else if (is_news(tally, place->index))
		healed->chunks++;
	if (!tally->begun)
		healed->from = from;
	healed->others = healed->others || healed->from != from;
	tally->begun = true;
}

void rescue_note_read(struct rescue *rescue, const struct rescue_search *search)
{
	struct tally *tally = find_tally(rescue, search->place.stream);

	if (!tally)
		return;
	pthread_mutex_lock(&rescue->lock);
	bool begins = !tally->begun;
	count(tally, &search->place,
	      search->from == FROM_INDEX ? NULL : rescue_points_get(rescue->points, search->from));
	struct rescue_healed healed = tally->healed;
	pthread_mutex_unlock(&rescue->lock);
	if (begins && rescue->options.begins)
		rescue->options.begins(rescue->options.arg, &healed);
}

bool rescue_get_healed(struct rescue *rescue, const struct stream *stream, struct rescue_healed *ret)
{
	const struct tally *tally = find_tally(rescue, stream->number);

	pthread_mutex_lock(&rescue->lock);
	bool any = tally && tally->begun;
	if (any)
		*ret = tally->healed;
	pthread_mutex_unlock(&rescue->lock);
	return any;
}
