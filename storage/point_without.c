/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "storage/commit.h"
#include "storage/point.h"

struct overlap {
	const struct pack_set *packs;
	bool any;
};

static bool check_pack(void *arg, const struct session_id *session, uint32_t seq, struct err **errp)
{
	struct overlap *overlap = arg;

	(void)errp;
	overlap->any = overlap->any || pack_set_has(overlap->packs, session, seq);
	return true;
}

/* What cannot be read is not known to be without. */
static bool needs_none(const struct repository *repository, const struct point *point, const struct pack_set *packs,
		       bool *ret, struct err **errp)
{
	AUTO(commit_release) struct commit commit = {0};
	struct overlap overlap = {.packs = &commit.packs};

	*ret = false;
	if (!commit_load(repository, &point->session, &commit, errp)) {
		if (err_is_of_run(err_code(*errp)))
			return false;
		err_clear(errp);
		return true;
	}
	if (!pack_set_each(packs, check_pack, &overlap, errp))
		return false;
	*ret = !overlap.any;
	return true;
}

bool point_find_without(const struct repository *repository, const struct point *than, const struct pack_set *packs,
			struct point *ret, bool *ret_found, struct err **errp)
{
	AUTO(point_list_release) struct point_list list = {0};

	*ret_found = false;
	if (!point_list_load(repository, than->workload, &list, errp))
		return false;
	for (size_t i = 0; i < list.n && !*ret_found; i++) {
		struct point *point = &list.points[i];
		bool same = memcmp(point->id, than->id, POINT_ID_SIZE) == 0;
		if (same || point->cut_ns > than->cut_ns)
			continue;
		if (!needs_none(repository, point, packs, ret_found, errp))
			return false;
		if (*ret_found) {
			*ret = *point;
			*point = (struct point){0};
		}
	}
	return true;
}
