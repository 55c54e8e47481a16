/* SPDX-License-Identifier: Apache-2.0 */
/* The packs of a session, from queued to stored and listed. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/session_state.h"

/* The next pack, or NULL at the end. */
static struct session_pack *dequeue(struct session *session)
{
	while (!session->queue && !session->closing)
		pthread_cond_wait(&session->changed, &session->lock);
	struct session_pack *pack = session->queue;
	if (pack) {
		session->queue = pack->next;
		if (!session->queue)
			session->queue_end = &session->queue;
	}
	return pack;
}

bool session_list(struct session *session, struct err **errp)
{
	struct list list = {
		.session = session->id, .k = session->next_k, .packs = session->unlisted, .n = session->n_unlisted};
	size_t size;

	if (list.n == 0)
		return true;
	uint8_t(*lists)[HASH_SIZE] = reallocarray(session->lists, session->next_k + 1, HASH_SIZE);
	if (!lists)
		return err_set_no_memory(errp);
	session->lists = lists;
	if (!list_publish(session->repository, &list, lists[session->next_k], &size, errp))
		return false;
	session->next_k++;
	session->n_unlisted = 0;
	pthread_mutex_lock(&session->lock);
	session->stats.bytes_stored += size;
	pthread_mutex_unlock(&session->lock);
	return true;
}

/* The pack is durable: says so in the journal, and in a list when there are enough. */
static bool note_stored(struct session *session, const struct list_pack *stored, struct err **errp)
{
	pthread_mutex_lock(&session->list_lock);
	bool ok = (session->n_unlisted < LIST_PACKS || session_list(session, errp)) &&
		  journal_append(session->journal, stored, errp);
	if (ok) {
		session->unlisted[session->n_unlisted++] = *stored;
		if (session->n_unlisted == LIST_PACKS)
			ok = session_list(session, errp);
	}
	pthread_mutex_unlock(&session->list_lock);
	return ok;
}

static bool add_to_index(struct session *session, const struct session_pack *pack, struct err **errp)
{
	AUTO(pack_footer_release)
	struct pack_footer footer = {.session = session->id,
				     .seq = pack->seq,
				     .cls = pack->cls,
				     .n_entries = pack_writer_entries(pack->writer)};

	footer.entries = calloc(footer.n_entries ? footer.n_entries : 1, sizeof(*footer.entries));
	if (!footer.entries)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < footer.n_entries; i++)
		footer.entries[i].id = *pack_writer_id(pack->writer, i);
	return index_add(session->index, &footer, errp);
}

static bool store(struct session *session, struct session_pack *pack, struct list_pack *stored, struct err **errp)
{
	char name[OBJECT_NAME_SIZE];
	struct span bytes;

	*stored = (struct list_pack){.cls = pack->cls, .seq = pack->seq};
	if (!pack_writer_finish(pack->writer, &bytes, stored->sha256, errp))
		return false;
	stored->size = bytes.len;
	object_name_pack(pack->cls, &session->id, pack->seq, name);
	return backend_put_once_hashed(repository_backend(session->repository), name, bytes, stored->sha256, errp) &&
	       note_stored(session, stored, errp) && add_to_index(session, pack, errp);
}

/* The lock is held before and after. */
static void upload(struct session *session, struct session_pack *pack)
{
	struct list_pack stored;
	struct err *error = NULL;

	if (!session->failed) {
		pthread_mutex_unlock(&session->lock);
		bool ok = store(session, pack, &stored, &error);
		pthread_mutex_lock(&session->lock);
		if (ok && pack_set_add(&session->own, &session->id, pack->seq, &error)) {
			session->stats.packs++;
			session->stats.bytes_stored += stored.size;
		}
	}
	if (error)
		session_fail(session, &error);
	session_pack_drop(session, pack);
}

bool session_upload(void *arg, struct err **errp)
{
	struct session *session = arg;

	(void)errp;
	pthread_mutex_lock(&session->lock);
	for (struct session_pack *pack; (pack = dequeue(session));)
		upload(session, pack);
	pthread_mutex_unlock(&session->lock);
	return true;
}
