/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/pool.h"
#include "storage/collection.h"
#include "storage/commit.h"
#include "storage/heads.h"
#include "storage/lineage.h"

#define FEW_COMMITS 16 /* not worth a thread */

struct gathering {
	const struct repository *repository;
	const char *workload;
	struct collection collection;
	struct heads heads; /* as remembered before */
	struct heads seen;  /* and as they are now */
	struct lineage lineage;
	struct point_list list;
	size_t capacity;
	struct session_id *sessions; /* of LIST c/, ascending */
	size_t n_sessions, sessions_capacity;
	struct loaded *loaded; /* by position in sessions */
	atomic_size_t next;    /* to be loaded */
};

/* What became of a commit: its point, or why there is none. */
struct loaded {
	enum commit_kind kind; /* 0: not looked at */
	struct point point;
	struct err *err;
};

static void gathering_release(struct gathering *gathering)
{
	collection_release(&gathering->collection);
	heads_release(&gathering->heads);
	heads_release(&gathering->seen);
	lineage_release(&gathering->lineage);
	point_list_release(&gathering->list);
	for (size_t i = 0; gathering->loaded && i < gathering->n_sessions; i++) {
		point_release(&gathering->loaded[i].point);
		err_free(gathering->loaded[i].err);
	}
	free(gathering->loaded);
	free(gathering->sessions);
}

/* Takes the text; NULL is lack of memory. */
static bool add_damage(struct point_list *list, char *text, struct err **errp)
{
	char **damaged = text ? reallocarray(list->damaged, list->n_damaged + 1, sizeof(*damaged)) : NULL;

	if (!damaged) {
		free(text);
		return err_set_no_memory(errp);
	}
	list->damaged = damaged;
	damaged[list->n_damaged++] = text;
	return true;
}

/* Likewise. */
static bool add_vanished(struct point_list *list, const struct vanished_point *what, struct err **errp)
{
	struct vanished_point *vanished =
		what->text ? reallocarray(list->vanished, list->n_vanished + 1, sizeof(*vanished)) : NULL;

	if (!vanished) {
		free(what->text);
		return err_set_no_memory(errp);
	}
	list->vanished = vanished;
	vanished[list->n_vanished++] = *what;
	return true;
}

/* By the place, as when its keys expire: that says nothing about the object. Our own keys may lack one for its content.
 */
static bool is_refused(const struct gathering *gathering, const char *object, const struct err *err)
{
	AUTO(err_freep) struct err *again = NULL;
	uint64_t size;

	return err_code(err) == ERR_DENIED &&
	       !backend_size(repository_backend(gathering->repository), object, &size, &again) &&
	       err_code(again) == ERR_DENIED;
}

/* Damage, as what a bad sector makes unreadable, is named and does not hide the rest. */
static bool name_damage(struct gathering *gathering, const char *object, struct err **errp)
{
	if (err_is_of_run(err_code(*errp)) || is_refused(gathering, object, *errp))
		return false;
	const char *message = err_message(*errp);
	size_t len = strlen(object);
	bool named = strncmp(message, object, len) == 0;
	char *text = named ? strdup(message) : file_format("%s: %s", object, message);
	err_clear(errp);
	return add_damage(&gathering->list, text, errp);
}

static bool each_commit(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct gathering *gathering = arg;
	struct session_id session;

	(void)size;
	if (!object_name_parse_session('c', name, &session))
		return add_damage(&gathering->list, file_format("%s: not a name of a commit", name), errp);
	if (gathering->n_sessions == gathering->sessions_capacity) {
		size_t capacity = gathering->sessions_capacity ? gathering->sessions_capacity * 2 : 64;
		struct session_id *sessions = reallocarray(gathering->sessions, capacity, sizeof(*sessions));
		if (!sessions)
			return err_set_no_memory(errp);
		gathering->sessions = sessions;
		gathering->sessions_capacity = capacity;
	}
	gathering->sessions[gathering->n_sessions++] = session;
	return true;
}

/* Takes the point out of the commit. */
static bool add_point(struct gathering *gathering, struct point *point, struct err **errp)
{
	struct point_list *list = &gathering->list;

	if (list->n == gathering->capacity) {
		size_t capacity = gathering->capacity ? gathering->capacity * 2 : 64;
		struct point *points = reallocarray(list->points, capacity, sizeof(*points));
		if (!points)
			return err_set_no_memory(errp);
		list->points = points;
		gathering->capacity = capacity;
	}
	list->points[list->n++] = *point;
	*point = (struct point){0};
	return true;
}

static bool take_commit(struct gathering *gathering, const struct session_id *session, struct loaded *loaded,
			struct err **errp)
{
	char name[OBJECT_NAME_SIZE];

	if (loaded->err && err_code(loaded->err) != ERR_NOT_FOUND) {
		err_move(errp, &loaded->err);
		return name_damage(gathering, object_name_session('c', session, name), errp);
	}
	/* Not found: a collection took it away between LIST and GET. */
	if (loaded->kind != COMMIT_POINT)
		return true;
	if (!lineage_add_point(&gathering->lineage, &loaded->point, errp) ||
	    !heads_note(&gathering->seen, session, loaded->point.id, errp))
		return false;
	if (gathering->workload && strcmp(gathering->workload, loaded->point.workload) != 0)
		return true;
	return add_point(gathering, &loaded->point, errp);
}

/* What its writer's revocation or a collection decided against does not exist, whatever it holds. */
static bool counts(const struct gathering *gathering, const struct session_id *session)
{
	const struct keyring *keyring = repository_keyring(gathering->repository);
	const struct keyring_member *writer = keyring_find(keyring, session->writer);

	return !(writer && session->number >= writer->revoked_from) &&
	       collection_stands(&gathering->collection, session);
}

static bool check_checkpoint(struct gathering *gathering, struct err **errp)
{
	const struct heads *heads = &gathering->heads;
	const struct collection *collection = &gathering->collection;

	if (collection->checkpoint_x < heads->checkpoint_x)
		return add_vanished(
			&gathering->list,
			&(struct vanished_point){
				.text = file_format("g/%016" PRIx64 ".final: what a collection wrote was seen from "
						    "here before, and has vanished: somebody put an older state of the "
						    "repository in its place, or changed it",
						    heads->checkpoint_x)},
			errp);
	if (heads->checkpoint_x != 0 && collection->checkpoint_x == heads->checkpoint_x &&
	    memcmp(collection->checkpoint_hash, heads->checkpoint_hash, HASH_SIZE) != 0)
		return add_damage(&gathering->list,
				  file_format("g/%016" PRIx64 ".final: is not the one that was seen here before",
					      heads->checkpoint_x),
				  errp);
	return true;
}

static bool name_lost(void *arg, const struct lost_point *lost, struct err **errp)
{
	struct gathering *gathering = arg;
	struct vanished_point vanished = {.session = lost->session, .before_ns = lost->before_ns};
	AUTO(freep) char *sentence = lost_point_text(gathering->repository, lost);
	char name[OBJECT_NAME_SIZE];

	if (!sentence)
		return err_set_no_memory(errp);
	vanished.text = file_format("%s: %s", object_name_session('c', &lost->session, name), sentence);
	return lost->replaced ? add_damage(&gathering->list, vanished.text, errp)
			      : add_vanished(&gathering->list, &vanished, errp);
}

static bool check_lineage(struct gathering *gathering, struct err **errp)
{
	return lineage_add_heads(&gathering->lineage, &gathering->heads, errp) &&
	       lineage_add_checkpoint(&gathering->lineage, &gathering->collection, errp) &&
	       lineage_find_lost(&gathering->lineage, gathering->repository, gathering->sessions, gathering->n_sessions,
				 name_lost, gathering, errp);
}

/* As a rule nothing is new, and looking at points writes nothing. */
static bool is_news(const struct gathering *gathering)
{
	const struct heads *before = &gathering->heads, *seen = &gathering->seen;

	return seen->checkpoint_x != before->checkpoint_x || seen->n != before->n ||
	       (seen->n > 0 && memcmp(seen->heads, before->heads, seen->n * sizeof(*seen->heads)) != 0);
}

/* Losing the memory of heads is safe, and looking at points must work on a full disk: a failure is no failure here. */
static bool remember(struct gathering *gathering, struct err **errp)
{
	const struct collection *collection = &gathering->collection;
	const char *state = repository_state_path(gathering->repository);

	if (collection->checkpoint_x > gathering->seen.checkpoint_x) {
		gathering->seen.checkpoint_x = collection->checkpoint_x;
		memcpy(gathering->seen.checkpoint_hash, collection->checkpoint_hash, HASH_SIZE);
	}
	if (state && is_news(gathering) && !heads_save(state, &gathering->seen, errp)) {
		log_debug("heads: %s", err_message(*errp));
		err_clear(errp);
	}
	return true;
}

static bool load_memory(struct gathering *gathering, struct err **errp)
{
	const char *state = repository_state_path(gathering->repository);
	bool damaged;

	if (!heads_load(state, &gathering->heads, &damaged, errp) ||
	    !heads_load(state, &gathering->seen, &damaged, errp))
		return false;
	return collection_load(gathering->repository, &gathering->collection, errp) ||
	       name_damage(gathering, "g/", errp);
}

static int newest_first(const void *a, const void *b)
{
	const struct point *left = a, *right = b;

	if (left->order_ns != right->order_ns)
		return left->order_ns < right->order_ns ? 1 : -1;
	if (left->session.number != right->session.number)
		return left->session.number < right->session.number ? 1 : -1;
	return session_id_compare(&left->session, &right->session);
}

static int compare_makers(const struct point *a, const struct point *b)
{
	int order = memcmp(a->session.writer, b->session.writer, WRITER_SIZE);

	return order ? order : strcmp(a->workload, b->workload);
}

static int by_maker_newest_first(const void *a, const void *b)
{
	const struct point *left = a, *right = b;
	int order = compare_makers(left, right);

	if (order)
		return order;
	return (left->session.number < right->session.number) - (left->session.number > right->session.number);
}

/* A writer knows what it made last, also when its clock was wrong. Between writers there are only clocks. */
static void put_in_order(struct point_list *list)
{
	if (list->n == 0)
		return;
	qsort(list->points, list->n, sizeof(*list->points), by_maker_newest_first);
	for (size_t i = 0; i < list->n; i++) {
		struct point *point = &list->points[i];
		point->order_ns = point->cut_ns;
		if (i > 0 && compare_makers(point - 1, point) == 0 && point[-1].order_ns < point->order_ns)
			point->order_ns = point[-1].order_ns;
	}
	qsort(list->points, list->n, sizeof(*list->points), newest_first);
}

/* Pack sets are of no interest here, and would be most of the memory. */
static void load_one(const struct gathering *gathering, const struct session_id *session, struct loaded *ret)
{
	AUTO(commit_release) struct commit commit = {0};

	if (!commit_load(gathering->repository, session, &commit, &ret->err))
		return;
	ret->kind = commit.kind;
	ret->point = commit.point;
	commit.point = (struct point){0};
}

static bool load_some(void *arg, struct err **errp)
{
	struct gathering *gathering = arg;

	(void)errp;
	for (size_t i; (i = atomic_fetch_add(&gathering->next, 1)) < gathering->n_sessions;)
		if (counts(gathering, &gathering->sessions[i]))
			load_one(gathering, &gathering->sessions[i], &gathering->loaded[i]);
	return true;
}

static bool load_all(struct gathering *gathering, struct err **errp)
{
	gathering->loaded = calloc(gathering->n_sessions + 1, sizeof(*gathering->loaded));
	if (!gathering->loaded)
		return err_set_no_memory(errp);
	if (gathering->n_sessions < FEW_COMMITS)
		return load_some(gathering, errp);
	size_t threads = backend_threads(repository_backend(gathering->repository));
	struct pool *pool = pool_start("points", threads, load_some, NULL, gathering, errp);
	return pool && pool_join(pool, errp);
}

static bool gather(struct gathering *gathering, struct err **errp)
{
	if (!load_memory(gathering, errp) ||
	    !backend_list(repository_backend(gathering->repository), "c/", each_commit, gathering, errp) ||
	    !load_all(gathering, errp))
		return false;
	for (size_t i = 0; i < gathering->n_sessions; i++)
		if (!take_commit(gathering, &gathering->sessions[i], &gathering->loaded[i], errp))
			return false;
	return check_checkpoint(gathering, errp) && check_lineage(gathering, errp) && remember(gathering, errp);
}

bool point_list_load(const struct repository *repository, const char *workload, struct point_list *ret,
		     struct err **errp)
{
	AUTO(gathering_release) struct gathering gathering = {.repository = repository, .workload = workload};

	if (!gather(&gathering, errp))
		return false;
	put_in_order(&gathering.list);
	*ret = gathering.list;
	gathering.list = (struct point_list){0};
	return true;
}

void point_list_release(struct point_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		point_release(&list->points[i]);
	for (size_t i = 0; i < list->n_damaged; i++)
		free(list->damaged[i]);
	for (size_t i = 0; i < list->n_vanished; i++)
		free(list->vanished[i].text);
	free(list->points);
	free(list->damaged);
	free(list->vanished);
	*list = (struct point_list){0};
}
