/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning and ending a session. */
#include "storage/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"
#include "storage/heads.h"
#include "storage/registration.h"
#include "storage/session_state.h"

#define NODE_FOOTER_CACHE (16u << 20)

static bool each_registration(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct session_id session;
	uint64_t *highest = arg;

	(void)size;
	(void)errp;
	if (object_name_parse_session('w', name, &session) && session.number > *highest)
		*highest = session.number;
	return true;
}

static bool highest_registered(const struct repository *repository, uint64_t *ret, struct err **errp)
{
	char prefix[OBJECT_NAME_SIZE], writer[2 * WRITER_SIZE + 1];

	snprintf(prefix, sizeof(prefix), "w/%s", hex_encode(repository_identity(repository)->id8, WRITER_SIZE, writer));
	return backend_list(repository_backend(repository), prefix, each_registration, ret, errp);
}

/* The highest number that is known to have been taken. */
static bool highest_number(const struct repository *repository, const struct heads *heads, uint64_t *ret,
			   struct err **errp)
{
	AUTO(collection_release) struct collection collection = {0};

	if (!collection_load(repository, &collection, errp))
		return false;
	*ret = collection_low(&collection, repository_identity(repository)->id8);
	if (heads->own_number > *ret)
		*ret = heads->own_number;
	return highest_registered(repository, ret, errp);
}

/* No writer comes so far: somebody made an object of that name. Behind it there is no number for a session. */
static bool refuse_last_number(struct session_id last, struct err **errp)
{
	char name[OBJECT_NAME_SIZE];

	last.number = UINT64_MAX;
	object_name_session('w', &last, name);
	err_set(errp, ERR_CORRUPT, "object '%s' takes the last number that a session of this key can have", name);
	return err_about(errp, "%s", name);
}

static bool publish_registration(struct session *session, struct err **errp)
{
	size_t size;

	for (;;) {
		if (registration_publish(session->repository, &session->id, &size, errp))
			return true;
		if (err_code(*errp) != ERR_EXISTS)
			return false;
		err_clear(errp);
		if (session->id.number == UINT64_MAX)
			return refuse_last_number(session->id, errp);
		session->id.number++;
	}
}

static bool register_session(struct session *session, struct err **errp)
{
	const char *state = repository_state_path(session->repository);
	AUTO(heads_release) struct heads heads = {0};
	uint64_t highest;
	bool damaged;

	if (!heads_load(state, &heads, &damaged, errp) || !highest_number(session->repository, &heads, &highest, errp))
		return false;
	memcpy(session->id.writer, repository_identity(session->repository)->id8, WRITER_SIZE);
	if (highest == UINT64_MAX)
		return refuse_last_number(session->id, errp);
	session->id.number = highest + 1;
	if (!publish_registration(session, errp))
		return false;
	heads.own_number = session->id.number;
	return heads_save(state, &heads, errp);
}

static bool init_locks(struct session *session, struct err **errp)
{
	pthread_condattr_t attributes;

	if (pthread_condattr_init(&attributes) != 0)
		return err_set_no_memory(errp);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&session->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	pthread_mutex_init(&session->lock, NULL);
	pthread_mutex_init(&session->list_lock, NULL);
	return true;
}

static size_t uploaders(const struct session *session)
{
	return repository_backend(session->repository)->in_flight ? FAR_UPLOADERS : UPLOADERS;
}

static struct session *new_session(struct repository *repository, const struct session_options *options,
				   struct err **errp)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session || !(session->pending = calloc(PENDING_BUCKETS, sizeof(struct pending_entry *)))) {
		free(session);
		err_set_no_memory(errp);
		return NULL;
	}
	session->repository = repository;
	session->cancel = options ? options->cancel : NULL;
	session->chunks.max = uploaders(session) + 1;
	session->nodes.max = MAX_NODE_PACKS;
	session->next_seq = 1;
	session->queue_end = &session->queue;
	if (!init_locks(session, errp)) {
		free(session->pending);
		free(session);
		return NULL;
	}
	return session;
}

/* No pack comes any more. */
static void close_queue(void *arg)
{
	struct session *session = arg;

	pthread_mutex_lock(&session->lock);
	session->closing = true;
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
}

/* What dead sessions stored is listed before the index looks; g/ is listed after w/S is there. */
static bool begin(struct session *session, struct err **errp)
{
	struct repository *repository = session->repository;

	if (!journal_adopt(repository, errp))
		return false;
	session->index = index_open(repository, errp);
	if (!session->index || !index_sync(session->index, errp))
		return false;
	session->reader = pack_reader_new(repository, NODE_FOOTER_CACHE, errp);
	if (!session->reader || !register_session(session, errp) ||
	    !collection_load(repository, &session->collection, errp))
		return false;
	session->journal = journal_create(repository, &session->id, errp);
	if (!session->journal)
		return false;
	session->uploaders = pool_start("upload", uploaders(session), session_upload, close_queue, session, errp);
	return session->uploaders != NULL;
}

struct session *session_begin(struct repository *repository, const struct session_options *options, struct err **errp)
{
	if (!repository_may(repository, ROLE_WRITE)) {
		err_set(errp, ERR_DENIED,
			"this key may not write to '%s': use one with the role write, or the owner's passphrase",
			repository_url(repository));
		return NULL;
	}
	if (!repository_check_writable(repository, errp))
		return NULL;
	if (!repository_state_path(repository)) {
		err_set(errp, ERR_DENIED, "writing needs a state folder that can be written");
		return NULL;
	}
	AUTO(session_freep) struct session *session = new_session(repository, options, errp);
	if (!session || !begin(session, errp))
		return NULL;
	return STEAL(&session);
}

/* The lock is held. A pack with places that nobody will seal any more cannot be finished. */
static void close_lane(struct session *session, struct lane *lane)
{
	if (lane->open && lane->open->unsealed == 0)
		session_pack_close(session, lane->open);
}

/* The lock is held, and the uploaders have ended: what is left was not wholly sealed. */
static size_t drop_rest(struct session *session, struct lane *lane)
{
	size_t dropped = lane->n;

	while (lane->n > 0)
		session_pack_drop(session, lane->packs[lane->n - 1]);
	return dropped;
}

static bool end_uploads(struct session *session, size_t *ret_dropped, struct err **errp)
{
	struct pool *uploaders = session->uploaders;

	pthread_mutex_lock(&session->lock);
	close_lane(session, &session->chunks);
	close_lane(session, &session->nodes);
	session->closing = true;
	pthread_cond_broadcast(&session->changed);
	pthread_mutex_unlock(&session->lock);
	session->uploaders = NULL;
	bool joined = pool_join(uploaders, errp);
	pthread_mutex_lock(&session->lock);
	*ret_dropped = drop_rest(session, &session->chunks) + drop_rest(session, &session->nodes);
	bool ok = joined && session_check(session, errp);
	pthread_mutex_unlock(&session->lock);
	return ok;
}

bool session_drain(struct session *session, size_t *ret_dropped, struct err **errp)
{
	if (!end_uploads(session, ret_dropped, errp))
		return false;
	pthread_mutex_lock(&session->list_lock);
	bool ok = session_list(session, errp);
	pthread_mutex_unlock(&session->list_lock);
	return ok && index_flush(session->index, errp);
}

bool session_cancel(struct session *session, struct err **errp)
{
	size_t dropped;

	if (session->ended)
		return true;
	session->ended = true;
	return session_drain(session, &dropped, errp) && journal_end(STEAL(&session->journal), errp);
}

static void free_spare(struct lane *lane)
{
	while (lane->n_spare > 0)
		pack_writer_free(lane->spare[--lane->n_spare]);
}

void session_free(struct session *session)
{
	if (!session)
		return;
	struct err *error = NULL;
	if (session->uploaders && !session_cancel(session, &error)) {
		log_debug("cancelling a session: %s", err_message(error));
		err_clear(&error);
	}
	journal_free(session->journal);
	pack_reader_free(session->reader);
	index_free(session->index);
	collection_release(&session->collection);
	free_spare(&session->chunks);
	free_spare(&session->nodes);
	pack_set_release(&session->used);
	pack_set_release(&session->own);
	err_free(session->failure);
	free(session->lists);
	free(session->pending);
	pthread_mutex_destroy(&session->list_lock);
	pthread_mutex_destroy(&session->lock);
	pthread_cond_destroy(&session->changed);
	free(session);
}

const struct session_id *session_id(const struct session *session)
{
	return &session->id;
}

const struct metadata_keys *session_keys(const struct session *session)
{
	return repository_metadata(session->repository);
}
