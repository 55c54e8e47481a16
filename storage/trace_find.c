/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of traces tell sessions, and the commits of these tell workloads. Those of the point's own writer come first,
 * the nearest numbers before the others, and only so many commits are looked at.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "storage/commit.h"
#include "storage/trace.h"

enum { TRIES = 32 };

struct candidate {
	struct session_id session;
	char name[OBJECT_NAME_SIZE];
	uint64_t distance; /* in sessions; UINT64_MAX of another writer */
};

struct search {
	const struct repository *repository;
	const struct point *point;
	struct candidate *candidates;
	size_t n, capacity;
};

static void search_release(struct search *search)
{
	free(search->candidates);
}

static uint64_t distance(const struct session_id *a, const struct session_id *b)
{
	if (memcmp(a->writer, b->writer, WRITER_SIZE) != 0)
		return UINT64_MAX;
	return a->number > b->number ? a->number - b->number : b->number - a->number;
}

static bool each_name(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct search *search = arg;
	struct candidate candidate;
	uint8_t id8[WRITER_SIZE];
	uint32_t n;
	(void)size;
	if (!object_name_parse_trace(name, &candidate.session, id8, &n) || !trace_counts(search->repository, name))
		return true;
	if (search->n == search->capacity) {
		size_t capacity = search->capacity ? 2 * search->capacity : 64;
		struct candidate *grown = reallocarray(search->candidates, capacity, sizeof(*grown));
		if (!grown)
			return err_set_no_memory(errp);
		search->candidates = grown;
		search->capacity = capacity;
	}
	snprintf(candidate.name, sizeof(candidate.name), "%s", name);
	candidate.distance = distance(&candidate.session, &search->point->session);
	search->candidates[search->n++] = candidate;
	return true;
}

/* Of one session the newest. */
static int nearest_first(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	if (a->distance != b->distance)
		return a->distance < b->distance ? -1 : 1;
	return -strcmp(a->name, b->name);
}

static bool is_of_workload(const struct search *search, const struct candidate *candidate, struct err **errp)
{
	AUTO(commit_release) struct commit commit = {0};
	if (candidate->distance == 0)
		return true;
	return commit_load(search->repository, &candidate->session, &commit, errp) && commit.kind == COMMIT_POINT &&
	       strcmp(commit.point.workload, search->point->workload) == 0 &&
	       memcmp(commit.point.workload_id, search->point->workload_id, WORKLOAD_ID_SIZE) == 0;
}

bool trace_find(const struct repository *repository, const struct point *point, struct trace *ret, struct err **errp)
{
	AUTO(search_release) struct search search = {.repository = repository, .point = point};
	*ret = (struct trace){0};
	if (!backend_list(repository_backend(repository), "t/", each_name, &search, errp))
		return false;
	if (search.n > 0)
		qsort(search.candidates, search.n, sizeof(search.candidates[0]), nearest_first);
	for (size_t i = 0; i < search.n && i < TRIES; i++) {
		AUTO(err_freep) struct err *err = NULL;
		if (is_of_workload(&search, &search.candidates[i], &err) &&
		    trace_load(repository, search.candidates[i].name, ret, &err))
			return true;
		if (err)
			log_debug("trace: %s", err_message(err));
	}
	return true;
}
