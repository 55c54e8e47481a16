/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commits, what they need, and their trees, on all processors. Nodes that are still to be looked at lie on a stack,
 * from which every thread takes the newest; a thread that finds it empty takes the next commit. So what waits is at
 * most the way down one tree for each thread, and a single large disk keeps all of them busy.
 */
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "storage/commit.h"
#include "storage/node_marks.h"
#include "storage/scrub_state.h"

struct walk {
	struct scrub *scrub;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	struct node_marks *marks;
	struct scrub_node *nodes;
	size_t n, capacity;
	size_t next_commit;
	size_t busy; /* threads that may still push */
	bool stopped;
};

static bool note_commit(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	struct scrub_cause cause = {0};

	scrub_count(scrub, size);
	if (!object_name_parse_session('c', name, &cause.session))
		return scrub_damaged(scrub, &cause, name, "not a name of a commit", errp);
	if (scrub->n_commits == scrub->commits_capacity) {
		size_t capacity = scrub->commits_capacity ? scrub->commits_capacity * 2 : 64;
		struct session_id *commits = reallocarray(scrub->commits, capacity, sizeof(*commits));
		if (!commits)
			return err_set_no_memory(errp);
		scrub->commits = commits;
		scrub->commits_capacity = capacity;
	}
	scrub->commits[scrub->n_commits++] = cause.session;
	return true;
}

bool scrub_find_commits(struct scrub *scrub, struct err **errp)
{
	return backend_list(repository_backend(scrub->repository), "c/", note_commit, scrub, errp);
}

/* Nobody can say what it must be; it is no damage itself. */
static bool note_unlisted(struct scrub *scrub, const struct session_id *session, uint32_t seq, struct err **errp)
{
	pthread_mutex_lock(&scrub->lock);
	bool ok = pack_set_add(&scrub->unlisted, session, seq, errp) &&
		  (!scrub_counts(scrub, session) || pack_set_add(&scrub->listless, session, seq, errp));
	pthread_mutex_unlock(&scrub->lock);
	return ok;
}

static bool check_referenced(void *arg, const struct session_id *session, uint32_t seq, struct err **errp)
{
	struct scrub *scrub = arg;
	struct scrub_cause cause = {.session = *session, .seq = seq, .level = SCRUB_SIZES};
	char name[OBJECT_NAME_SIZE];

	bool present = pack_set_has(&scrub->present, session, seq);
	const struct scrub_pack *pack = scrub_find_pack(scrub, session, seq);
	if (present)
		return pack || note_unlisted(scrub, session, seq, errp);
	object_name_pack(pack ? pack->listed.cls : PACK_CHUNKS, session, seq, name);
	return scrub_damaged(scrub, &cause, name, "it is missing", errp);
}

static bool check_lists(struct scrub *scrub, const struct commit *commit, struct err **errp)
{
	struct scrub_cause cause = {.session = commit->session};
	char name[OBJECT_NAME_SIZE];

	for (size_t k = 0; k < commit->n_lists; k++) {
		AUTO(list_release) struct list list = {0};
		object_name_list(&commit->session, (uint32_t)k, name);
		bool ok = list_load(scrub->repository, &commit->session, (uint32_t)k, &list, errp)
				  ? memcmp(list.hash, commit->lists[k], HASH_SIZE) == 0 ||
					    scrub_damaged(scrub, &cause, name, "is not the list that the commit names",
							  errp)
				  : scrub_take_error(scrub, &cause, name, errp);
		if (!ok)
			return false;
	}
	return true;
}

/* The lock is held. */
static bool push(struct walk *walk, const struct scrub_node *nodes, size_t n, struct err **errp)
{
	if (walk->n + n > walk->capacity) {
		size_t capacity = 2 * (walk->n + n);
		struct scrub_node *grown = reallocarray(walk->nodes, capacity, sizeof(*grown));
		if (!grown)
			return err_set_no_memory(errp);
		walk->nodes = grown;
		walk->capacity = capacity;
	}
	for (size_t i = 0; i < n; i++)
		walk->nodes[walk->n++] = nodes[i];
	if (n > 0)
		pthread_cond_broadcast(&walk->changed);
	return true;
}

static bool push_streams(struct walk *walk, const struct point *point, struct err **errp)
{
	bool ok = true;

	pthread_mutex_lock(&walk->lock);
	for (size_t i = 0; ok && i < point->n_streams; i++) {
		const struct stream *stream = &point->streams[i];
		struct scrub_node top = {.shape = stream->shape,
					 .level = (uint8_t)(stream_depth(&stream->shape) - 1),
					 .ref = stream->top};
		ok = chunk_id_is_zero(&stream->top.id) || push(walk, &top, 1, errp);
	}
	pthread_mutex_unlock(&walk->lock);
	return ok;
}

/* Its id, and the points that it names. */
static bool note_point(struct scrub *scrub, const struct commit *commit, struct err **errp)
{
	pthread_mutex_lock(&scrub->lock);
	bool ok = commit->kind != COMMIT_POINT || lineage_add_point(&scrub->lineage, &commit->point, errp);
	pthread_mutex_unlock(&scrub->lock);
	return ok;
}

static bool do_commit(struct walk *walk, const struct session_id *session, struct err **errp)
{
	struct scrub *scrub = walk->scrub;
	struct scrub_cause cause = {.session = *session};
	AUTO(commit_release) struct commit commit = {0};
	char name[OBJECT_NAME_SIZE];

	if (!scrub_counts(scrub, session))
		return true;
	if (!commit_load(scrub->repository, session, &commit, errp))
		return scrub_take_error(scrub, &cause, object_name_session('c', session, name), errp);
	return note_point(scrub, &commit, errp) && pack_set_each(&commit.packs, check_referenced, scrub, errp) &&
	       check_lists(scrub, &commit, errp) &&
	       (scrub->options->level == SCRUB_SIZES || push_streams(walk, &commit.point, errp));
}

static bool do_node(struct walk *walk, const struct scrub_node *node, struct err **errp)
{
	struct scrub_node below[TREE_FANOUT];
	size_t n;

	pthread_mutex_lock(&walk->lock);
	bool known = node_marks_has(walk->marks, &node->ref.at);
	bool ok = known || node_marks_add(walk->marks, &node->ref.at, errp);
	pthread_mutex_unlock(&walk->lock);
	if (!ok || known)
		return ok;
	if (!scrub_node_check(walk->scrub, node, below, &n, errp))
		return false;
	pthread_mutex_lock(&walk->lock);
	ok = push(walk, below, n, errp);
	pthread_mutex_unlock(&walk->lock);
	return ok;
}

/* What to do next: a node, or else a commit; waits while others may still find nodes. False when all is done. */
static bool take(struct walk *walk, struct scrub_node *ret_node, const struct session_id **ret_commit)
{
	*ret_commit = NULL;
	pthread_mutex_lock(&walk->lock);
	while (!walk->stopped && walk->n == 0 && walk->next_commit == walk->scrub->n_commits && walk->busy > 0)
		pthread_cond_wait(&walk->changed, &walk->lock);
	bool more = !walk->stopped && (walk->n > 0 || walk->next_commit < walk->scrub->n_commits);
	if (more && walk->n > 0)
		*ret_node = walk->nodes[--walk->n];
	else if (more)
		*ret_commit = &walk->scrub->commits[walk->next_commit++];
	walk->busy += more;
	pthread_mutex_unlock(&walk->lock);
	return more;
}

static void put_back(struct walk *walk)
{
	pthread_mutex_lock(&walk->lock);
	if (--walk->busy == 0)
		pthread_cond_broadcast(&walk->changed);
	pthread_mutex_unlock(&walk->lock);
}

static bool walk_some(void *arg, struct err **errp)
{
	struct walk *walk = arg;
	const struct session_id *commit;
	struct scrub_node node;
	bool ok = true;

	while (ok && take(walk, &node, &commit)) {
		ok = scrub_go_on(walk->scrub, errp) &&
		     (commit ? do_commit(walk, commit, errp) : do_node(walk, &node, errp));
		put_back(walk);
	}
	return ok;
}

static void stop(void *arg)
{
	struct walk *walk = arg;

	pthread_mutex_lock(&walk->lock);
	walk->stopped = true;
	pthread_cond_broadcast(&walk->changed);
	pthread_mutex_unlock(&walk->lock);
}

bool scrub_commits(struct scrub *scrub, struct err **errp)
{
	struct walk walk = {.scrub = scrub, .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

	walk.marks = node_marks_new(errp);
	if (!walk.marks)
		return false;
	struct pool *pool = pool_start("scrub", pool_processors(), walk_some, stop, &walk, errp);
	bool ok = pool && pool_join(pool, errp);
	node_marks_free(walk.marks);
	free(walk.nodes);
	return ok;
}
