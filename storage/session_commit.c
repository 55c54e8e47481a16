/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs and lists are durable before c/S is tried; c/S decides; the checkpoint is read again after that. A crash before
 * c/S leaves packs that the next run takes over, a crash after it leaves a point.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"
#include "storage/commit.h"
#include "storage/heads.h"
#include "storage/session_state.h"

struct own_commits {
	uint64_t *numbers; /* ascending */
	size_t n;
};

static void own_commits_release(struct own_commits *commits)
{
	free(commits->numbers);
}

static bool each_commit(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct own_commits *commits = arg;
	struct session_id session;

	(void)size;
	if (!object_name_parse_session('c', name, &session))
		return true;
	uint64_t *numbers = reallocarray(commits->numbers, commits->n + 1, sizeof(*numbers));
	if (!numbers)
		return err_set_no_memory(errp);
	commits->numbers = numbers;
	numbers[commits->n++] = session.number;
	return true;
}

/* False without an error when it is no point, or cannot be read. */
static bool is_point(struct session *session, uint64_t number, struct point *point)
{
	AUTO(point_release) struct point previous = {0};
	struct session_id id = session->id;
	struct err *error = NULL;

	id.number = number;
	if (!point_load(session->repository, &id, &previous, &error)) {
		err_clear(&error);
		return false;
	}
	point->previous_number = number;
	memcpy(point->previous_point, previous.id, POINT_ID_SIZE);
	return true;
}

/* The writer's newest point, as it is remembered or as it is there, whichever is newer: one that vanished is still
 * named. */
static bool fill_previous(struct session *session, const struct heads *heads, struct point *point, struct err **errp)
{
	AUTO(own_commits_release) struct own_commits commits = {0};
	char prefix[OBJECT_NAME_SIZE], writer[2 * WRITER_SIZE + 1];

	point->previous_number = 0;
	memset(point->previous_point, 0, POINT_ID_SIZE);
	for (size_t i = 0; i < heads->n; i++) {
		if (memcmp(heads->heads[i].session.writer, session->id.writer, WRITER_SIZE) != 0)
			continue;
		point->previous_number = heads->heads[i].session.number;
		memcpy(point->previous_point, heads->heads[i].point, POINT_ID_SIZE);
	}
	snprintf(prefix, sizeof(prefix), "c/%s", hex_encode(session->id.writer, WRITER_SIZE, writer));
	if (!backend_list(repository_backend(session->repository), prefix, each_commit, &commits, errp))
		return false;
	for (size_t i = commits.n; i > 0 && commits.numbers[i - 1] > point->previous_number; i--)
		if (is_point(session, commits.numbers[i - 1], point))
			break;
	return true;
}

static bool fill_point(struct session *session, const struct heads *heads, struct point *point, struct err **errp)
{
	const struct keyring *keyring = repository_keyring(session->repository);

	point->session = session->id;
	point->keyring_n = keyring->n;
	memcpy(point->keyring_hash, keyring->hash, HASH_SIZE);
	point->checkpoint_x = session->collection.checkpoint_x;
	memcpy(point->checkpoint_hash, session->collection.checkpoint_hash, HASH_SIZE);
	return fill_previous(session, heads, point, errp);
}

/* Before anything is said to be done: an object that readers refuse is no point. */
static bool check_readable(const struct session *session, struct span object, struct err **errp)
{
	AUTO(commit_release) struct commit commit = {0};
	AUTO(err_freep) struct err *reason = NULL;

	if (commit_decode(session->repository, &session->id, object, &commit, &reason))
		return true;
	if (err_is_of_run(err_code(reason)))
		return err_move(errp, &reason);
	return err_set(errp, ERR_FAILED, "what was to be committed could not be read back: %s", err_message(reason));
}

static bool put_commit(struct session *session, struct commit *commit, struct err **errp)
{
	AUTO(bytes_release) struct bytes object = {0};
	char name[OBJECT_NAME_SIZE];

	if (!commit_encode(session->repository, commit, &object, errp) ||
	    !check_readable(session, bytes_span(&object), errp))
		return false;
	object_name_session('c', &session->id, name);
	if (!backend_put_once(repository_backend(session->repository), name, bytes_span(&object), errp)) {
		if (err_code(*errp) != ERR_EXISTS)
			return false;
		err_clear(errp);
		return err_set(errp, ERR_BUSY,
			       "%s: a collection fenced this run while it was silent; nothing is lost, run it again",
			       name);
	}
	session->stats.bytes_stored += object.len;
	return true;
}

/* The commit is there; but a collector that saw it too late may have decided without it. */
static bool check_standing(struct session *session, struct err **errp)
{
	AUTO(collection_release) struct collection collection = {0};
	char name[SESSION_TEXT_SIZE];

	if (!collection_load(session->repository, &collection, errp))
		return false;
	return collection_stands(&collection, &session->id) ||
	       err_set(errp, ERR_BUSY, "session %s: a collection ended before it was committed; run it again",
		       session_id_text(&session->id, name));
}

static bool remember(struct session *session, struct heads *heads, const struct point *point, struct err **errp)
{
	return heads_note(heads, &session->id, point->id, errp) &&
	       heads_save(repository_state_path(session->repository), heads, errp);
}

/* The streams stay the caller's. */
static bool make_point(struct session *session, struct heads *heads, struct point *point, const struct point *parent,
		       struct err **errp)
{
	struct commit commit = {
		.kind = COMMIT_POINT, .session = session->id, .lists = session->lists, .n_lists = session->next_k};

	bool ok = fill_point(session, heads, point, errp) &&
		  session_gather_packs(session, point, parent, &commit.packs, errp);
	if (ok) {
		commit.point = *point;
		ok = put_commit(session, &commit, errp);
		memcpy(point->id, commit.point.id, POINT_ID_SIZE);
		point->r = commit.point.r;
	}
	pack_set_release(&commit.packs);
	return ok && check_standing(session, errp);
}

bool session_commit(struct session *session, struct point *point, const struct point *parent_point, struct err **errp)
{
	AUTO(heads_release) struct heads heads = {0};
	size_t dropped;
	bool damaged;

	assert(!session->ended);
	session->ended = true;
	if (!session_drain(session, &dropped, errp))
		return false;
	if (dropped > 0)
		return err_set(errp, ERR_FAILED, "%zu packs have places that were reserved and never sealed", dropped);
	if (!journal_end(STEAL(&session->journal), errp) ||
	    !heads_load(repository_state_path(session->repository), &heads, &damaged, errp))
		return false;
	return make_point(session, &heads, point, parent_point, errp) && remember(session, &heads, point, errp);
}
