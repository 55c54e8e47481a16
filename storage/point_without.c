/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "storage/commit.h"
#include "storage/judge.h"
#include "storage/point.h"

#define FOOTER_CACHE (16u << 20)

/* What cannot be read is not known to be without. */
static bool needs_none(struct judge *judge, const struct repository *repository, const struct point *point, bool *ret,
		       struct err **errp)
{
	AUTO(commit_release) struct commit commit = {0};
	enum judgement judgement = POINT_MAY_BE_HURT;

	if (!commit_load(repository, &point->session, &commit, errp) ||
	    !judge_point(judge, &commit, &judgement, NULL, NULL, errp)) {
		if (err_is_of_run(err_code(*errp)))
			return false;
		err_clear(errp);
		judgement = POINT_MAY_BE_HURT;
	}
	*ret = judgement == POINT_WHOLE;
	return true;
}

bool point_find_without(const struct repository *repository, const struct point_list *list,
			const struct pack_set *packs, const struct cancel *cancel,
			point_candidate_function *is_candidate, void *arg, size_t *ret, struct err **errp)
{
	AUTO(pack_reader_freep) struct pack_reader *reader = pack_reader_new(repository, FOOTER_CACHE, errp);
	const struct judge_options options = {
		.repository = repository, .reader = reader, .damaged = packs, .cancel = cancel};
	AUTO(judge_freep) struct judge *judge = reader ? judge_new(&options, errp) : NULL;
	bool found = false;

	if (!judge)
		return false;
	for (*ret = 0; *ret < list->n; ++*ret) {
		if (!is_candidate(arg, *ret))
			continue;
		if (!needs_none(judge, repository, &list->points[*ret], &found, errp))
			return false;
		if (found)
			return true;
	}
	return true;
}
