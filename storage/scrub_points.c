/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which points the damage hurts: those whose trees lead to it (storage/judge.h). Each hurt point is kept once, and each
 * damage has numbers of points, of which there are at most PAIRS_MAX in all: a disk that dies hurts everything in all
 * its points.
 */
#include <stdlib.h>
#include <string.h>

#include "storage/commit.h"
#include "storage/scrub_state.h"

#define PAIRS_MAX (1u << 20)

/* A damaged pack, and where it stands in the report. */
struct place {
	struct session_id session;
	uint32_t seq;
	size_t damage;
};

struct judging {
	struct scrub *scrub;
	struct judge *judge;
	struct place *places; /* ascending; of what was in the report when the judging began */
	size_t n_places, n_before;
	size_t pairs;
	size_t hurt_capacity;
	const struct point *point; /* that is being judged */
	bool added;		   /* it is the last in `hurt` */
};

static void judging_release(struct judging *judging)
{
	judge_free(judging->judge);
	free(judging->places);
}

static int compare_places(const void *a, const void *b)
{
	const struct place *left = a, *right = b;
	int order = session_id_compare(&left->session, &right->session);

	return order != 0 ? order : (left->seq > right->seq) - (left->seq < right->seq);
}

static bool find_places(struct judging *judging, struct err **errp)
{
	const struct scrub *scrub = judging->scrub;

	judging->n_before = scrub->report.n_damaged;
	judging->places = calloc(judging->n_before + 1, sizeof(*judging->places));
	if (!judging->places)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < judging->n_before; i++)
		if (scrub->causes[i].seq != 0)
			judging->places[judging->n_places++] = (struct place){
				.session = scrub->causes[i].session, .seq = scrub->causes[i].seq, .damage = i};
	qsort(judging->places, judging->n_places, sizeof(*judging->places), compare_places);
	return true;
}

static void take_point(const struct point *point, struct scrub_point *ret)
{
	*ret = (struct scrub_point){.session = point->session, .cut_ns = point->cut_ns};
	memcpy(ret->id, point->id, POINT_ID_SIZE);
	memcpy(ret->workload, point->workload, sizeof(ret->workload));
}

/* The point that is being judged is the last in `hurt` from now on. */
static bool add_hurt(struct judging *judging, struct err **errp)
{
	struct scrub_report *report = &judging->scrub->report;

	if (judging->added)
		return true;
	if (report->n_hurt == judging->hurt_capacity) {
		size_t capacity = judging->hurt_capacity ? judging->hurt_capacity * 2 : 16;
		struct scrub_point *hurt = reallocarray(report->hurt, capacity, sizeof(*hurt));
		if (!hurt)
			return err_set_no_memory(errp);
		report->hurt = hurt;
		judging->hurt_capacity = capacity;
	}
	take_point(judging->point, &report->hurt[report->n_hurt++]);
	judging->added = true;
	return true;
}

static bool add_pair(struct judging *judging, struct scrub_damage *damage, bool certain, struct err **errp)
{
	*(certain ? &damage->n_hurt : &damage->n_may_hurt) += 1;
	if (judging->pairs == PAIRS_MAX)
		return true;
	if ((damage->n_points & (damage->n_points - 1)) == 0) {
		size_t capacity = damage->n_points ? damage->n_points * 2 : 1;
		struct scrub_pair *points = reallocarray(damage->points, capacity, sizeof(*points));
		if (!points)
			return err_set_no_memory(errp);
		damage->points = points;
	}
	damage->points[damage->n_points++] =
		(struct scrub_pair){.point = (uint32_t)(judging->scrub->report.n_hurt - 1), .certain = certain};
	judging->pairs++;
	return true;
}

/* Several streams may need the same pack. */
static bool join_pair(struct judging *judging, size_t index, bool certain, struct err **errp)
{
	struct scrub *scrub = judging->scrub;
	struct scrub_damage *damage = &scrub->report.damaged[index];
	struct scrub_cause *cause = &scrub->causes[index];
	size_t last = scrub->report.n_hurt - 1;
	bool known = cause->last_point == scrub->report.n_hurt;

	cause->last_point = scrub->report.n_hurt;
	if (!known)
		return add_pair(judging, damage, certain, errp);
	struct scrub_pair *pair = damage->n_points ? &damage->points[damage->n_points - 1] : NULL;
	if (certain && pair && pair->point == last && !pair->certain) {
		pair->certain = true;
		damage->n_may_hurt--;
		damage->n_hurt++;
	}
	return true;
}

/* A pack that was not known to be damaged before its nodes were read for this is named now. */
static bool find_damage(struct judging *judging, enum pack_class cls, const struct locator *at, size_t *ret,
			struct err **errp)
{
	struct scrub *scrub = judging->scrub;
	struct place key = {.session = at->session, .seq = at->seq};
	const struct place *place = bsearch(&key, judging->places, judging->n_places, sizeof(key), compare_places);

	*ret = place ? place->damage : judging->n_before;
	if (place)
		return true;
	for (; *ret < scrub->report.n_damaged; ++*ret)
		if (scrub->causes[*ret].seq == at->seq && session_id_equal(&scrub->causes[*ret].session, &at->session))
			return true;
	err_set(errp, ERR_CORRUPT, "what points need of it cannot be read");
	return scrub_take_pack_error(scrub, SCRUB_DIGESTS, cls, at, errp);
}

/* The point is the last in `hurt`; a stream of NULL is none that is known. */
static void mark(const struct judging *judging, enum scrub_level level, const struct stream *stream, bool certain)
{
	struct scrub_report *report = &judging->scrub->report;
	struct scrub_point *hurt = &report->hurt[report->n_hurt - 1];
	enum judgement judgement = certain ? POINT_HURT : POINT_MAY_BE_HURT;

	if (hurt->by_level[level].judgement < judgement)
		hurt->by_level[level].judgement = judgement;
	if (stream) {
		size_t i = (size_t)(stream - judging->point->streams);
		hurt->by_level[level].streams[i / 8] |= (uint8_t)(1u << i % 8);
	}
}

static bool take_found(void *arg, const struct stream *stream, enum pack_class cls, const struct locator *at,
		       bool certain, struct err **errp)
{
	struct judging *judging = arg;
	size_t damage;

	if (!add_hurt(judging, errp) || !find_damage(judging, cls, at, &damage, errp))
		return false;
	mark(judging, judging->scrub->report.damaged[damage].level, stream, certain);
	return join_pair(judging, damage, certain, errp);
}

/* The commit is there, but it is another than it was. */
static bool judge_commit(struct judging *judging, enum judgement *judgement, struct err **errp)
{
	const struct scrub *scrub = judging->scrub;

	for (size_t i = 0; i < judging->n_before; i++) {
		const struct lost_point *lost = scrub->report.damaged[i].lost;
		if (!lost || !lost->replaced || !session_id_equal(&lost->session, &judging->point->session))
			continue;
		*judgement = POINT_HURT;
		if (!add_hurt(judging, errp))
			return false;
		mark(judging, scrub->report.damaged[i].level, NULL, true);
		return join_pair(judging, i, true, errp);
	}
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
	struct scrub_report *report = &judging->scrub->report;
	enum judgement judgement;

	judging->point = &commit->point;
	judging->added = false;
	if (!judge_point(judging->judge, commit, &judgement, take_found, judging, errp) ||
	    !judge_commit(judging, &judgement, errp))
		return false;
	if (judgement == POINT_WHOLE)
		return add_whole(report, &commit->point, errp);
	report->hurt[report->n_hurt - 1].judgement = judgement;
	report->may_be_hurt += judgement == POINT_MAY_BE_HURT;
	return true;
}

static bool begin(struct judging *judging, struct err **errp)
{
	struct scrub *scrub = judging->scrub;
	const struct judge_options options = {.repository = scrub->repository,
					      .reader = scrub->reader,
					      .damaged = &scrub->named,
					      .cancel = scrub->options->cancel};

	judging->judge = judge_new(&options, errp);
	return judging->judge && find_places(judging, errp);
}

/* Commits that cannot be read were named before; their points are not known. */
bool scrub_judge_points(struct scrub *scrub, struct err **errp)
{
	AUTO(judging_release) struct judging judging = {.scrub = scrub};

	if (scrub->report.n_damaged == 0)
		return true;
	if (!begin(&judging, errp))
		return false;
	for (size_t i = 0; i < scrub->n_commits; i++) {
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
