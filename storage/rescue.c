/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/rescue.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/log.h"
#include "storage/index.h"

struct rescue {
	const struct repository *repository;
	pthread_mutex_t lock; /* of what follows */
	bool asked;
	struct index *index; /* NULL: nobody here knows */
	uint64_t count;
};

struct rescue *rescue_new(const struct repository *repository, struct err **errp)
{
	struct rescue *rescue = calloc(1, sizeof(*rescue));

	if (!rescue) {
		err_set_no_memory(errp);
		return NULL;
	}
	rescue->repository = repository;
	pthread_mutex_init(&rescue->lock, NULL);
	return rescue;
}

void rescue_free(struct rescue *rescue)
{
	if (!rescue)
		return;
	index_free(rescue->index);
	pthread_mutex_destroy(&rescue->lock);
	free(rescue);
}

/* Whoever has no index, and no place for one, does without: the damage is told as it is. */
static void open_index(struct rescue *rescue)
{
	AUTO(err_freep) struct err *err = NULL;

	rescue->asked = true;
	if (!repository_state_path(rescue->repository))
		return;
	AUTO(index_freep) struct index *index = index_open(rescue->repository, &err);
	if (index && index_sync(index, &err))
		rescue->index = STEAL(&index);
	else
		log_debug("damaged content is not looked for elsewhere: %s", err_message(err));
}

/* The lock is held. */
static bool find(struct rescue *rescue, enum pack_class cls, const struct chunk_id *id, struct pack_set *tried,
		 struct locator *at)
{
	AUTO(err_freep) struct err *err = NULL;

	if (!rescue->asked)
		open_index(rescue);
	return rescue->index && pack_set_add(tried, &at->session, at->seq, &err) &&
	       index_find(rescue->index, cls, id, tried, at);
}

bool rescue_find(struct rescue *rescue, enum pack_class cls, const struct chunk_id *id, struct pack_set *tried,
		 struct locator *at)
{
	pthread_mutex_lock(&rescue->lock);
	bool found = find(rescue, cls, id, tried, at);
	pthread_mutex_unlock(&rescue->lock);
	return found;
}

void rescue_note_read(struct rescue *rescue)
{
	pthread_mutex_lock(&rescue->lock);
	rescue->count++;
	pthread_mutex_unlock(&rescue->lock);
}

uint64_t rescue_count(struct rescue *rescue)
{
	pthread_mutex_lock(&rescue->lock);
	uint64_t count = rescue->count;
	pthread_mutex_unlock(&rescue->lock);
	return count;
}
