/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/session_state.h"

bool session_is_condemned(void *arg, enum pack_class cls, const struct session_id *of, uint32_t seq)
{
	struct session *session = arg;

	if (session_id_equal(of, &session->id))
		return false;
	return pack_set_has(&session->collection.condemned, of, seq) || !index_has_pack(session->index, cls, of, seq);
}

/* Without memory for saying that the pack is used, the content counts as unknown, and is stored again. */
static bool note_used(struct session *session, const struct locator *at)
{
	struct err *error = NULL;

	if (session_id_equal(&at->session, &session->id) || pack_set_has(&session->used, &at->session, at->seq))
		return true;
	bool ok = pack_set_add(&session->used, &at->session, at->seq, &error);
	err_clear(&error);
	return ok;
}

/* The lock is held, so that a pack does not go from pending to stored between the two looks. */
static bool lookup_locked(struct session *session, enum pack_class cls, const struct chunk_id *id, struct locator *ret)
{
	const struct pending_entry *pending = session_pending_find(session, cls, id);

	if (pending) {
		*ret = (struct locator){.session = session->id, .seq = pending->pack->seq, .entry = pending->entry};
		return true;
	}
	return index_find(session->index, cls, id, &session->collection.condemned, ret) && note_used(session, ret);
}

bool session_lookup(struct session *session, enum pack_class cls, const struct chunk_id *id, struct locator *ret)
{
	pthread_mutex_lock(&session->lock);
	bool found = lookup_locked(session, cls, id, ret);
	pthread_mutex_unlock(&session->lock);
	return found;
}

bool session_find(struct session *session, const struct chunk_id *id, struct locator *ret)
{
	return session_lookup(session, PACK_CHUNKS, id, ret);
}

static bool reserve_locked(struct session *session, enum pack_class cls, const struct chunk_id *id, uint32_t plain_len,
			   enum chunk_codec codec, size_t stored_len, struct reservation *ret, struct err **errp)
{
	struct session_pack *pack = session_pack_take(session, cls, stored_len, errp);

	if (!pack)
		return false;
	ret->pack = pack;
	ret->place = pack_writer_reserve(pack->writer, id, plain_len, codec, stored_len);
	ret->at = (struct locator){.session = session->id, .seq = pack->seq, .entry = ret->place.entry};
	pack->unsealed++;
	session_pending_add(session, pack, ret->place.entry);
	return true;
}

bool session_reserve_in(struct session *session, enum pack_class cls, const struct chunk_id *id, uint32_t plain_len,
			enum chunk_codec codec, size_t stored_len, struct reservation *ret, struct err **errp)
{
	pthread_mutex_lock(&session->lock);
	bool ok = reserve_locked(session, cls, id, plain_len, codec, stored_len, ret, errp);
	pthread_mutex_unlock(&session->lock);
	return ok;
}

bool session_reserve(struct session *session, const struct chunk_id *id, uint32_t plain_len, enum chunk_codec codec,
		     size_t stored_len, struct reservation *ret, struct err **errp)
{
	*ret = (struct reservation){0};
	ret->stored = session_find(session, id, &ret->at);
	if (ret->stored)
		return true;
	return session_reserve_in(session, PACK_CHUNKS, id, plain_len, codec, stored_len, ret, errp);
}

bool session_seal(struct session *session, const struct reservation *reservation, struct span stored, struct err **errp)
{
	if (reservation->stored)
		return true;
	if (!pack_writer_seal(reservation->pack->writer, reservation->place, stored, errp))
		return false;
	pthread_mutex_lock(&session->lock);
	session_pack_sealed(session, reservation->pack);
	pthread_mutex_unlock(&session->lock);
	return true;
}

void session_get_stats(const struct session *session, struct session_stats *ret)
{
	pthread_mutex_t *lock = (pthread_mutex_t *)&session->lock;

	pthread_mutex_lock(lock);
	*ret = session->stats;
	pthread_mutex_unlock(lock);
}
