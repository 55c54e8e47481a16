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

/* What cannot be had is done without, and not asked for again; but a failure of the run tells nothing about it. */
static bool do_without(bool *asked, const char *what, struct err **err, struct err **errp)
{
	if (err_is_of_run(err_code(*err)))
		return err_move(errp, err);
	*asked = true;
	log_debug("damaged content is not looked for in %s: %s", what, err_message(*err));
	return true;
}

static bool open_points(struct rescue *rescue, struct err **errp)
{
	AUTO(err_freep) struct err *err = NULL;

	if (rescue->asked_points)
		return true;
	rescue->points = rescue_points_new(rescue->repository, rescue->point, rescue->options.cancel, &err);
	if (!rescue->points)
		return do_without(&rescue->asked_points, "other points", &err, errp);
	rescue->asked_points = true;
	return true;
}

/* Whoever has no index does without: to make one, a whole repository would have to be read. */
static bool open_index(struct rescue *rescue, struct err **errp)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(index_freep) struct index *index = NULL;

	if (rescue->asked_index)
		return true;
	if (index_exists(rescue->repository)) {
		index = index_open(rescue->repository, &err);
		if (!index || !index_recall(index, rescue->options.cancel, &err))
			return do_without(&rescue->asked_index, "the index", &err, errp);
	}
	rescue->index = STEAL(&index);
	rescue->asked_index = true;
	return true;
}

/* The lock is held, as in find_in_index(). */
static bool find_in_points(struct rescue *rescue, struct rescue_search *search, struct err **errp)
{
	const struct tally *tally = find_tally(rescue, search->place.stream);

	return tally && open_points(rescue, errp) && rescue->points &&
	       rescue_points_find(rescue->points, tally->healed.stream, &search->place, &search->id, &search->tried,
				  &search->at, &search->from, errp);
}

static bool find_in_index(struct rescue *rescue, struct rescue_search *search, struct err **errp)
{
	enum pack_class cls = search->place.height == 0 ? PACK_CHUNKS : PACK_META;

	search->from = FROM_INDEX;
	return open_index(rescue, errp) && rescue->index &&
	       index_find(rescue->index, cls, &search->id, &search->tried, &search->at);
}

bool rescue_next(struct rescue *rescue, struct rescue_search *search, struct err **errp)
{
	if (!pack_set_add(&search->tried, &search->at.session, search->at.seq, errp))
		return false;
	pthread_mutex_lock(&rescue->lock);
	bool found = find_in_points(rescue, search, errp) || (!*errp && find_in_index(rescue, search, errp));
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
