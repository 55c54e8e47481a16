/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/findings.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "storage/receipt.h"

#define ITEMS_MAX 4096u

static void section_release(struct findings_section *section)
{
	free(section->items);
	free(section->points);
	*section = (struct findings_section){0};
}

void findings_release(struct findings *findings)
{
	for (size_t i = 0; i < FINDINGS_LEVELS; i++)
		section_release(&findings->sections[i]);
	free(findings->covered);
	*findings = (struct findings){0};
}

/* ---- after a pass ---- */

/* *ret_places says where each damage of the report went; SIZE_MAX: it is of another level, or one too many. */
static bool take_items(struct findings_section *section, const struct scrub_report *report, enum scrub_level level,
		       size_t *places, struct err **errp)
{
	section->items =
		calloc(report->n_damaged < ITEMS_MAX ? report->n_damaged + 1 : ITEMS_MAX, sizeof(*section->items));
	if (!section->items)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < report->n_damaged; i++) {
		const struct scrub_damage *damage = &report->damaged[i];
		if (damage->level != level)
			continue;
		section->n_damaged++;
		if (section->n == ITEMS_MAX)
			continue;
		struct finding *item = &section->items[section->n];
		receipt_set_text(item->object, sizeof(item->object), damage->object);
		receipt_set_text(item->reason, sizeof(item->reason), damage->reason);
		places[i] = section->n++;
	}
	return true;
}

/* By position in the report's `hurt`; those that this level's damage does not hurt stay whole. */
static void take_pairs(struct findings_point *points, const struct scrub_damage *damage, size_t place)
{
	for (size_t k = 0; k < damage->n_points; k++) {
		const struct scrub_pair *pair = &damage->points[k];
		struct findings_point *point = &points[pair->point];
		if (place != SIZE_MAX && point->n_objects < FINDING_POINT_OBJECTS)
			point->objects[point->n_objects++] = (uint32_t)place;
	}
}

static int compare_points(const void *a, const void *b)
{
	const struct findings_point *left = a, *right = b;

	return session_id_compare(&left->session, &right->session);
}

static bool take_points(struct findings_section *section, const struct scrub_report *report, enum scrub_level level,
			const size_t *places, struct err **errp)
{
	struct findings_point *points = calloc(report->n_hurt + 1, sizeof(*points));

	if (!points)
		return err_set_no_memory(errp);
	section->points = points;
	for (size_t i = 0; i < report->n_hurt; i++) {
		points[i].session = report->hurt[i].session;
		points[i].judgement = report->hurt[i].by_level[level].judgement;
		memcpy(points[i].streams, report->hurt[i].by_level[level].streams, sizeof(points[i].streams));
	}
	for (size_t i = 0; i < report->n_damaged; i++)
		if (report->damaged[i].level == level)
			take_pairs(points, &report->damaged[i], places[i]);
	for (size_t i = 0; i < report->n_hurt; i++)
		if (points[i].judgement != POINT_WHOLE)
			points[section->n_points++] = points[i];
	qsort(points, section->n_points, sizeof(*points), compare_points);
	return true;
}

static bool take_section(struct findings_section *section, const struct scrub_report *report, enum scrub_level level,
			 struct err **errp)
{
	AUTO(freep) size_t *places = malloc((report->n_damaged + 1) * sizeof(*places));

	if (!places)
		return err_set_no_memory(errp);
	memset(places, 0xff, (report->n_damaged + 1) * sizeof(*places));
	return take_items(section, report, level, places, errp) && take_points(section, report, level, places, errp);
}

/* What passes of other levels looked at stays known, of sessions that are still there. */
static bool take_covered(struct findings *findings, enum scrub_level level, const struct session_id *sessions, size_t n,
			 struct err **errp)
{
	struct findings_covered *covered = calloc(n + 1, sizeof(*covered));
	size_t before = 0;

	if (!covered)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < n; i++) {
		covered[i] = (struct findings_covered){.session = sessions[i], .levels = (uint8_t)(1u << level)};
		while (before < findings->n_covered &&
		       session_id_compare(&findings->covered[before].session, &sessions[i]) < 0)
			before++;
		if (before < findings->n_covered && session_id_equal(&findings->covered[before].session, &sessions[i]))
			covered[i].levels |= findings->covered[before].levels;
	}
	free(findings->covered);
	findings->covered = covered;
	findings->n_covered = n;
	return true;
}

bool findings_update(struct findings *findings, const struct scrub_report *report, enum scrub_level level,
		     const struct session_id *sessions, size_t n, struct err **errp)
{
	uint64_t now = clock_now_ns();

	for (enum scrub_level of = SCRUB_SIZES; of <= level; of++) {
		struct findings_section *section = &findings->sections[of];
		section_release(section);
		section->found_ns = now;
		if (!take_section(section, report, of, errp))
			return false;
	}
	findings->ended_ns[level] = now;
	return take_covered(findings, level, sessions, n, errp);
}

/* ---- what is known ---- */

static const struct findings_point *find_point(const struct findings_section *section, const struct session_id *session)
{
	struct findings_point key = {.session = *session};

	return section->n_points ? bsearch(&key, section->points, section->n_points, sizeof(key), compare_points)
				 : NULL;
}

static int compare_covered(const void *a, const void *b)
{
	const struct findings_covered *left = a, *right = b;

	return session_id_compare(&left->session, &right->session);
}

static void judge_by_passes(const struct findings *findings, const struct session_id *session,
			    struct findings_verdict *verdict)
{
	struct findings_covered key = {.session = *session};
	const struct findings_covered *covered =
		findings->n_covered
			? bsearch(&key, findings->covered, findings->n_covered, sizeof(key), compare_covered)
			: NULL;

	for (enum scrub_level level = SCRUB_SIZES; covered && level <= SCRUB_CONTENTS; level++)
		if (covered->levels & 1u << level) {
			verdict->scrubbed = true;
			verdict->level = level;
			verdict->when_ns = findings->ended_ns[level];
		}
}

void findings_judge(const struct findings *findings, const struct session_id *session, struct findings_verdict *ret)
{
	*ret = (struct findings_verdict){.judgement = POINT_WHOLE};
	judge_by_passes(findings, session, ret);
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_CONTENTS; level++) {
		const struct findings_section *section = &findings->sections[level];
		const struct findings_point *point = find_point(section, session);
		if (!point)
			continue;
		if (point->judgement > ret->judgement) {
			ret->scrubbed = true;
			ret->judgement = point->judgement;
			ret->level = level;
			ret->when_ns = section->found_ns;
		}
		for (size_t i = 0; i < sizeof(ret->streams); i++)
			ret->streams[i] |= point->streams[i];
	}
}

bool findings_any(const struct findings *findings)
{
	for (size_t i = 0; i < FINDINGS_LEVELS; i++)
		if (findings->ended_ns[i] != 0)
			return true;
	return false;
}

uint64_t findings_damaged(const struct findings *findings)
{
	uint64_t n = 0;

	for (size_t i = 0; i < FINDINGS_LEVELS; i++)
		n += findings->sections[i].n_damaged;
	return n;
}

void findings_each_object(const struct findings *findings, const struct session_id *session,
			  findings_object_function *each, void *arg)
{
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_CONTENTS; level++) {
		const struct findings_section *section = &findings->sections[level];
		const struct findings_point *point = find_point(section, session);
		for (size_t i = 0; point && i < point->n_objects; i++)
			each(arg, &section->items[point->objects[i]], level, section->found_ns);
	}
}
