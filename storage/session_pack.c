/* SPDX-License-Identifier: Apache-2.0 */
/* The packs of a session, from open to queued. */
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "storage/session_state.h"

#define CANCEL_POLL_NS 100000000L

struct lane *session_lane(struct session *session, enum pack_class cls)
{
	return cls == PACK_CHUNKS ? &session->chunks : &session->nodes;
}

void session_fail(struct session *session, struct err **error)
{
	if (session->failed) {
		err_clear(error);
		return;
	}
	session->failed = err_code(*error);
	err_move(&session->failure, error);
	pthread_cond_broadcast(&session->changed);
}

bool session_check(struct session *session, struct err **errp)
{
	if (session->failure)
		return err_move(errp, &session->failure);
	return !session->failed || err_set(errp, session->failed, "the session has failed");
}

static void free_pack(struct session_pack *pack)
{
	pack_writer_free(pack->writer);
	free(pack->entries);
	free(pack);
}

/* A spare one, or a new one. */
static struct pack_writer *take_writer(struct session *session, enum pack_class cls, uint32_t seq, struct err **errp)
{
	struct lane *lane = session_lane(session, cls);

	if (lane->n_spare == 0)
		return pack_writer_new(session->repository, cls, &session->id, seq, errp);
	AUTO(pack_writer_freep) struct pack_writer *writer = lane->spare[--lane->n_spare];
	return pack_writer_restart(writer, seq, errp) ? STEAL(&writer) : NULL;
}

static struct session_pack *new_pack(struct session *session, enum pack_class cls, struct err **errp)
{
	struct session_pack *pack = calloc(1, sizeof(*pack));

	if (!pack || !(pack->entries = calloc(PACK_TARGET_ENTRIES, sizeof(*pack->entries)))) {
		free(pack);
		err_set_no_memory(errp);
		return NULL;
	}
	pack->cls = cls;
	pack->seq = session->next_seq;
	if (pack->seq >= PACK_SET_SEQ_MAX)
		err_set(errp, ERR_UNSUPPORTED, "a session cannot have more packs");
	else
		pack->writer = take_writer(session, cls, pack->seq, errp);
	if (!pack->writer) {
		free_pack(pack);
		return NULL;
	}
	session->next_seq++;
	return pack;
}

/* Wakes up now and then, since a signal that cancels does not signal the condition. */
static bool wait_for_change(struct session *session, struct err **errp)
{
	struct timespec until;

	if (session->cancel && !cancel_check(session->cancel, errp))
		return false;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += CANCEL_POLL_NS;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_cond_timedwait(&session->changed, &session->lock, &until);
	return true;
}

static bool open_pack(struct session *session, struct lane *lane, enum pack_class cls, struct err **errp)
{
	while (lane->n == lane->max && !session->failed)
		if (!wait_for_change(session, errp))
			return false;
	if (!session_check(session, errp))
		return false;
	lane->open = new_pack(session, cls, errp);
	if (!lane->open)
		return false;
	lane->packs[lane->n++] = lane->open;
	return true;
}

struct session_pack *session_pack_take(struct session *session, enum pack_class cls, size_t stored_len,
				       struct err **errp)
{
	struct lane *lane = session_lane(session, cls);

	if (!session_check(session, errp))
		return NULL;
	if (lane->open && !pack_writer_fits(lane->open->writer, stored_len))
		session_pack_close(session, lane->open);
	if (!lane->open && !open_pack(session, lane, cls, errp))
		return NULL;
	return lane->open;
}

static void enqueue(struct session *session, struct session_pack *pack)
{
	pack->next = NULL;
	*session->queue_end = pack;
	session->queue_end = &pack->next;
	pthread_cond_broadcast(&session->changed);
}

void session_pack_close(struct session *session, struct session_pack *pack)
{
	session_lane(session, pack->cls)->open = NULL;
	pack->closed = true;
	if (pack->unsealed == 0)
		enqueue(session, pack);
}

void session_pack_sealed(struct session *session, struct session_pack *pack)
{
	if (--pack->unsealed == 0 && pack->closed)
		enqueue(session, pack);
}

void session_pack_drop(struct session *session, struct session_pack *pack)
{
	struct lane *lane = session_lane(session, pack->cls);

	session_pending_drop(session, pack);
	if (lane->open == pack)
		lane->open = NULL;
	for (size_t i = 0; i < lane->n; i++)
		if (lane->packs[i] == pack)
			lane->packs[i] = lane->packs[--lane->n];
	lane->spare[lane->n_spare++] = STEAL(&pack->writer);
	free_pack(pack);
	pthread_cond_broadcast(&session->changed);
}
