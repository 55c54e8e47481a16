/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which points the damage hurts: those whose pack sets name it. Each hurt point is kept once, and each damage has
 * numbers of points, of which there are at most PAIRS_MAX in all: a disk that dies hurts everything in all its points.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/commit.h"
#include "storage/scrub_state.h"

#define PAIRS_MAX (1u << 20)

struct judging {
	struct scrub *scrub;
	size_t pairs;
	size_t hurt_capacity;
};

static bool is_hurt(const struct commit *commit, const struct scrub_cause *cause)
{
	if (cause->seq == 0)
		return session_id_equal(&commit->session, &cause->session);
	return pack_set_has(&commit->packs, &cause->session, cause->seq);
}

static void take_point(const struct point *point, struct scrub_point *ret)
{
	memcpy(ret->id, point->id, POINT_ID_SIZE);
	memcpy(ret->workload, point->workload, sizeof(ret->workload));
	ret->cut_ns = point->cut_ns;
}

static bool add_hurt(struct judging *judging, const struct point *point, struct err **errp)
{
	struct scrub_report *report = &judging->scrub->report;

	if (report->n_hurt == judging->hurt_capacity) {
		size_t capacity = judging->hurt_capacity ? judging->hurt_capacity * 2 : 16;
		struct scrub_point *hurt = reallocarray(report->hurt, capacity, sizeof(*hurt));
		if (!hurt)
			return err_set_no_memory(errp);
		report->hurt = hurt;
		judging->hurt_capacity = capacity;
	}
	take_point(point, &report->hurt[report->n_hurt++]);
	return true;
}

/* The point is the last in `hurt`. */
static bool add_pair(struct judging *judging, struct scrub_damage *damage, struct err **errp)
{
	damage->n_hurt++;
	if (judging->pairs == PAIRS_MAX)
		return true;
	if ((damage->n_points & (damage->n_points - 1)) == 0) {
		size_t capacity = damage->n_points ? damage->n_points * 2 : 1;
		uint32_t *points = reallocarray(damage->points, capacity, sizeof(*points));
		if (!points)
			return err_set_no_memory(errp);
		damage->points = points;
	}
	damage->points[damage->n_points++] = (uint32_t)(judging->scrub->report.n_hurt - 1);
	judging->pairs++;
	return true;
}

/* Keeps the newest of its workload. */
static bool add_whole(struct scrub_report *report, const struct point *point, struct err **errp)
{
	report->whole_points++;
	for (size_t i = 0; i < report->n_whole; i++) {
		if (strcmp(report->whole[i].workload, point->workload) != 0)
			continue;
		if (report->whole[i].cut_ns <= point->cut_ns)
			take_point(point, &report->whole[i]);
		return true;
	}
	struct scrub_point *whole = reallocarray(report->whole, report->n_whole + 1, sizeof(*whole));
	if (!whole)
		return err_set_no_memory(errp);
	report->whole = whole;
	take_point(point, &whole[report->n_whole++]);
	return true;
}

static bool judge(struct judging *judging, const struct commit *commit, struct err **errp)
{
	struct scrub *scrub = judging->scrub;
	bool hurt = false;

	for (size_t i = 0; i < scrub->report.n_damaged; i++) {
		if (!is_hurt(commit, &scrub->causes[i]))
			continue;
		if (!hurt && !add_hurt(judging, &commit->point, errp))
			return false;
		hurt = true;
		if (!add_pair(judging, &scrub->report.damaged[i], errp))
			return false;
	}
	return hurt || add_whole(&scrub->report, &commit->point, errp);
}

/* Commits that cannot be read were named before; their points are not known. */
bool scrub_judge_points(struct scrub *scrub, struct err **errp)
{
	struct judging judging = {.scrub = scrub};

	for (size_t i = 0; scrub->report.n_damaged > 0 && i < scrub->n_commits; i++) {
		AUTO(commit_release) struct commit commit = {0};
		if (!scrub_go_on(scrub, errp))
			return false;
		if (!scrub_counts(scrub, &scrub->commits[i]))
			continue;
		if (!commit_load(scrub->repository, &scrub->commits[i], &commit, errp)) {
			if (err_is_of_run(err_code(*errp)))
				return false;
			err_clear(errp);
		} else if (commit.kind == COMMIT_POINT && !judge(&judging, &commit, errp)) {
			return false;
		}
	}
	return true;
}
