/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists are listed before packs: a pack is durable before its list, so a list that is seen has its packs seen.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "storage/index_state.h"
#include "storage/list.h"
#include "storage/pack_memory.h"

struct list_name {
	struct session_id session;
	uint32_t k;
};

struct sync {
	struct index *index;
	const struct cancel *cancel; /* may be NULL */
	struct list_name *lists;     /* those that are new */
	size_t n, capacity;
	struct class_packs present;
	struct session_id judged; /* the last session that was asked about: listings come in order */
	bool relied;
};

static void sync_release(struct sync *sync)
{
	free(sync->lists);
	class_packs_release(&sync->present);
}

static bool rely_on(const struct repository *repository, const struct session_id *session)
{
	const struct keyring *keyring = repository_keyring(repository);
	const struct keyring_member *member = keyring_find(keyring, session->writer);
	bool own = memcmp(session->writer, repository_identity(repository)->id8, WRITER_SIZE) == 0;

	return member && (own || (member->roles & ROLE_SOURCE) != 0) &&
	       keyring_allows(keyring, session->writer, ROLE_WRITE, session->number);
}

static bool is_relied_on(struct sync *sync, const struct session_id *session)
{
	if (!session_id_equal(&sync->judged, session)) {
		sync->judged = *session;
		sync->relied = rely_on(sync->index->repository, session);
	}
	return sync->relied;
}

static bool each_list(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct sync *sync = arg;
	struct list_name list;

	(void)size;
	if (!object_name_parse_list(name, &list.session, &list.k) || list.k >= PACK_SET_SEQ_MAX - 1 ||
	    !is_relied_on(sync, &list.session) || pack_set_has(&sync->index->applied, &list.session, list.k + 1))
		return true;
	if (sync->n == sync->capacity) {
		size_t capacity = sync->capacity ? sync->capacity * 2 : 16;
		struct list_name *lists = reallocarray(sync->lists, capacity, sizeof(*lists));
		if (!lists)
			return err_set_no_memory(errp);
		sync->lists = lists;
		sync->capacity = capacity;
	}
	sync->lists[sync->n++] = list;
	return true;
}

/* An empty one holds nothing of what its list says. */
static bool each_pack(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct sync *sync = arg;
	struct session_id session;
	enum pack_class cls;
	uint32_t seq;

	if (sync->cancel && !cancel_check(sync->cancel, errp))
		return false;
	if (size == 0 || !object_name_parse_pack(name, &cls, &session, &seq) || seq == 0 || seq >= PACK_SET_SEQ_MAX ||
	    !is_relied_on(sync, &session))
		return true;
	return pack_set_add(class_packs_of(&sync->present, cls), &session, seq, errp);
}

static bool list_lists(struct sync *sync, struct err **errp)
{
	return backend_list(repository_backend(sync->index->repository), "l/", each_list, sync, errp);
}

static bool list_packs(struct sync *sync, struct err **errp)
{
	struct backend *backend = repository_backend(sync->index->repository);

	return backend_list(backend, "p/", each_pack, sync, errp) && backend_list(backend, "m/", each_pack, sync, errp);
}

/* What cannot be read now is not indexed, and its content is stored again. */
static bool pass_over(struct err **errp)
{
	enum err_code code = err_code(*errp);

	if (code != ERR_CORRUPT && code != ERR_NOT_FOUND && code != ERR_UNSUPPORTED && code != ERR_DENIED)
		return false;
	log_debug("index: passed over: %s", err_message(*errp));
	err_clear(errp);
	return true;
}

static bool apply_pack(struct index *index, const struct session_id *session, const struct list_pack *pack,
		       struct err **errp)
{
	AUTO(pack_footer_release) struct pack_footer footer = {0};

	if (!pack_set_has(class_packs_of(&index->present, pack->cls), session, pack->seq) ||
	    pack_set_has(class_packs_of(&index->indexed, pack->cls), session, pack->seq))
		return true;
	if (!pack_footer_fetch(index->repository, pack->cls, session, pack->seq, &footer, errp))
		return false;
	return index_add_locked(index, &footer, errp);
}

static bool apply_list(struct index *index, const struct list_name *name, struct err **errp)
{
	AUTO(list_release) struct list list = {0};

	if (!list_load(index->repository, &name->session, name->k, &list, errp))
		return pass_over(errp);
	for (size_t i = 0; i < list.n; i++)
		if (!apply_pack(index, &name->session, &list.packs[i], errp) && !pass_over(errp))
			return false;
	index->applied_changed = true;
	return pack_set_add(&index->applied, &name->session, name->k + 1, errp);
}

static bool note_gone(struct index *index, struct err **errp)
{
	class_packs_release(&index->gone);
	if (!pack_set_merge(&index->gone.chunks, &index->indexed.chunks, errp) ||
	    !pack_set_merge(&index->gone.nodes, &index->indexed.nodes, errp))
		return false;
	pack_set_subtract(&index->gone.chunks, &index->present.chunks);
	pack_set_subtract(&index->gone.nodes, &index->present.nodes);
	return true;
}

/* What a scrub of this machine found damaged is there, and of no use. */
static bool leave_out_damaged(const struct index *index, struct class_packs *present, struct err **errp)
{
	AUTO(pack_set_release) struct pack_set damaged = {0};

	if (!pack_memory_add_damaged(index->repository, &damaged, errp))
		return false;
	pack_set_subtract(&present->chunks, &damaged);
	pack_set_subtract(&present->nodes, &damaged);
	return true;
}

static bool note_present(struct sync *sync, struct err **errp)
{
	struct index *index = sync->index;

	if (!list_packs(sync, errp) || !leave_out_damaged(index, &sync->present, errp))
		return false;
	class_packs_release(&index->present);
	index->present = sync->present;
	sync->present = (struct class_packs){0};
	return note_gone(index, errp);
}

static bool sync_locked(struct index *index, struct err **errp)
{
	AUTO(sync_release) struct sync sync = {.index = index};

	if (!list_lists(&sync, errp) || !note_present(&sync, errp))
		return false;
	for (size_t i = 0; i < sync.n; i++)
		if (!apply_list(index, &sync.lists[i], errp))
			return false;
	return index_flush_locked(index, errp);
}

bool index_sync(struct index *index, struct err **errp)
{
	pthread_rwlock_wrlock(&index->lock);
	bool ok = sync_locked(index, errp);
	pthread_rwlock_unlock(&index->lock);
	return ok || err_prefix(errp, "index");
}

bool index_recall(struct index *index, const struct cancel *cancel, struct err **errp)
{
	AUTO(sync_release) struct sync sync = {.index = index, .cancel = cancel};

	pthread_rwlock_wrlock(&index->lock);
	bool ok = note_present(&sync, errp);
	pthread_rwlock_unlock(&index->lock);
	return ok || err_prefix(errp, "index");
}
