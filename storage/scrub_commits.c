/* SPDX-License-Identifier: Apache-2.0 */
/* Commits and what they need; and at last, which points each damage hurts. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "storage/commit.h"
#include "storage/scrub_state.h"

static bool note_commit(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	struct session_id session;

	(void)size;
	if (!object_name_parse_session('c', name, &session))
		return true;
	if (scrub->n_commits == scrub->commits_capacity) {
		size_t capacity = scrub->commits_capacity ? scrub->commits_capacity * 2 : 64;
		struct session_id *commits = reallocarray(scrub->commits, capacity, sizeof(*commits));
		if (!commits)
			return err_set_no_memory(errp);
		scrub->commits = commits;
		scrub->commits_capacity = capacity;
	}
	scrub->commits[scrub->n_commits++] = session;
	return true;
}

bool scrub_find_commits(struct scrub *scrub, struct err **errp)
{
	return backend_list(repository_backend(scrub->repository), "c/", note_commit, scrub, errp);
}

static int compare_sessions(const void *a, const void *b)
{
	return session_id_compare(a, b);
}

static bool is_judged(const struct scrub *scrub, const struct session_id *session)
{
	return scrub->n_commits > 0 &&
	       bsearch(session, scrub->commits, scrub->n_commits, sizeof(*session), compare_sessions) &&
	       scrub_counts(scrub, session);
}

/* Lists were there before the commit was, so a pack without one has lost it, and nobody can say what it must be. */
static bool check_referenced(void *arg, const struct session_id *session, uint32_t seq, struct err **errp)
{
	struct scrub *scrub = arg;
	struct scrub_cause cause = {.session = *session, .seq = seq};
	char name[OBJECT_NAME_SIZE];

	bool present = pack_set_has(&scrub->present, session, seq);
	const struct scrub_pack *pack = scrub_find_pack(scrub, session, seq);
	if (present && (pack || !scrub_counts(scrub, session)))
		return true;
	object_name_pack(pack ? pack->listed.cls : PACK_CHUNKS, session, seq, name);
	return scrub_damaged(scrub, &cause, name,
			     present ? "it is needed, and in no list that says what it must be" : "it is missing",
			     errp);
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

static bool check_commit(struct scrub *scrub, const struct commit *commit, struct err **errp)
{
	if (!pack_set_each(&commit->packs, check_referenced, scrub, errp) || !check_lists(scrub, commit, errp))
		return false;
	for (size_t i = 0; i < commit->point.n_streams; i++)
		if (!scrub_tree(scrub->trees, &commit->point.streams[i], errp))
			return false;
	return true;
}

static bool each_commit(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	struct scrub_cause cause = {0};
	AUTO(commit_release) struct commit commit = {0};

	scrub_count(scrub, size);
	if (!scrub_go_on(scrub, errp))
		return false;
	if (!object_name_parse_session('c', name, &cause.session))
		return scrub_damaged(scrub, &cause, name, "not a name of a commit", errp);
	if (!is_judged(scrub, &cause.session))
		return true;
	if (!commit_load(scrub->repository, &cause.session, &commit, errp))
		return scrub_take_error(scrub, &cause, name, errp);
	return check_commit(scrub, &commit, errp);
}

static bool add_point(struct scrub_damage *damage, const struct point *point, struct err **errp)
{
	char(*points)[65] = reallocarray(damage->points, damage->n_points + 1, sizeof(*points));

	if (!points)
		return err_set_no_memory(errp);
	damage->points = points;
	hex_encode(point->id, POINT_ID_SIZE, points[damage->n_points++]);
	return true;
}

static bool is_hurt(const struct commit *commit, const struct scrub_cause *cause)
{
	if (cause->seq == 0)
		return session_id_equal(&commit->session, &cause->session);
	return pack_set_has(&commit->packs, &cause->session, cause->seq);
}

/* Commits that cannot be read were named before; their points are not known. */
static bool each_hurt(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct scrub *scrub = arg;
	AUTO(commit_release) struct commit commit = {0};
	struct session_id session;

	(void)size;
	if (!object_name_parse_session('c', name, &session) || !is_judged(scrub, &session))
		return true;
	if (!commit_load(scrub->repository, &session, &commit, errp)) {
		err_clear(errp);
		return true;
	}
	for (size_t i = 0; commit.kind == COMMIT_POINT && i < scrub->report.n_damaged; i++)
		if (is_hurt(&commit, &scrub->causes[i]) && !add_point(&scrub->report.damaged[i], &commit.point, errp))
			return false;
	return true;
}

bool scrub_commits(struct scrub *scrub, struct err **errp)
{
	struct backend *backend = repository_backend(scrub->repository);

	if (!backend_list(backend, "c/", each_commit, scrub, errp))
		return false;
	return scrub->report.n_damaged == 0 || backend_list(backend, "c/", each_hurt, scrub, errp);
}
