/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/parent.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"

static bool trusted(const struct repository *repository, const struct point *point)
{
	const uint8_t *writer = point->session.writer;

	return memcmp(writer, repository_identity(repository)->id8, WRITER_SIZE) == 0 ||
	       keyring_allows(repository_keyring(repository), writer, ROLE_SOURCE, point->session.number);
}

static bool same_workload(const struct point *point, const struct workload *workload)
{
	return memcmp(point->workload_id, workload->id, WORKLOAD_ID_SIZE) == 0;
}

/* Moves the newest fitting point out of the list. */
static void take_newest(const struct repository *repository, const struct workload *workload, struct point_list *list,
			struct parent *ret)
{
	uint32_t r = repository_metadata(repository)->r;

	for (size_t i = 0; i < list->n && !ret->found; i++) {
		struct point *point = &list->points[i];

		if (!same_workload(point, workload) || point->r != r || !trusted(repository, point))
			continue;
		ret->point = *point;
		*point = (struct point){0};
		ret->found = true;
	}
}

/* One that moved to another engine, or was defined anew, has another id. */
static void look_for_namesake(const struct workload *workload, const struct point_list *list, struct parent *ret)
{
	char since[CLOCK_TEXT_SIZE];

	for (size_t i = 0; i < list->n && !ret->found && !ret->namesake; i++) {
		const struct point *point = &list->points[i];

		if (strcmp(point->workload, workload->name) != 0 || same_workload(point, workload))
			continue;
		ret->namesake = file_format("the name was another workload's before, last at %s by the engine '%s': "
					    "this one has begun anew, and its points stand beside those",
					    clock_format(point->cut_ns, since), point->engine);
	}
}

static bool choose_newest(const struct repository *repository, const struct workload *workload, struct parent *ret,
			  struct err **errp)
{
	struct point_list list = {0};

	if (!point_list_load(repository, NULL, &list, errp))
		return false;
	take_newest(repository, workload, &list, ret);
	look_for_namesake(workload, &list, ret);
	point_list_release(&list);
	return true;
}

static void raise_alarm(const struct tracking *tracking, const struct err *err, struct parent *ret)
{
	char point[2 * POINT_ID_SIZE + 1];

	hex_encode(tracking->point, POINT_ID_SIZE, point);
	ret->alarm = file_format("point %.12s, which this host made, is no longer in the repository as it was (%s): "
				 "find out who changed the repository",
				 point, err_message(err));
}

/* Only a point that is still there, and as it was, counts; whatever else was remembered is no parent. */
static bool load_remembered(const struct repository *repository, const struct workload *workload,
			    const struct tracking *tracking, struct parent *ret)
{
	struct err *err = NULL;

	if (!tracking->known)
		return false;
	if (!point_load(repository, &tracking->session, &ret->point, &err)) {
		raise_alarm(tracking, err, ret);
		err_free(err);
		return false;
	}
	ret->found = same_workload(&ret->point, workload) && ret->point.r == repository_metadata(repository)->r &&
		     memcmp(ret->point.id, tracking->point, POINT_ID_SIZE) == 0;
	if (!ret->found)
		point_release(&ret->point);
	return ret->found;
}

bool parent_choose(const struct repository *repository, const struct workload *workload,
		   const struct tracking *tracking, struct parent *ret, struct err **errp)
{
	*ret = (struct parent){0};
	if (load_remembered(repository, workload, tracking, ret)) {
		ret->change_map = tracking->change_map[0] ? tracking->change_map : NULL;
		ret->reason = ret->change_map ? NULL : FALLBACK_UNTRACKED;
		return true;
	}
	if (!choose_newest(repository, workload, ret, errp))
		return false;
	if (tracking->known && tracking->change_map[0])
		ret->reason = FALLBACK_POINT_MISSING;
	else if (ret->found)
		ret->reason = FALLBACK_UNTRACKED;
	return true;
}

void parent_release(struct parent *parent)
{
	point_release(&parent->point);
	free(parent->alarm);
	free(parent->namesake);
	*parent = (struct parent){0};
}
