/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/scrub_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/report.h"
#include "cli/words.h"

#define POINTS_SHOWN 8

static struct json *id_to_json(const struct scrub_point *point)
{
	char id[POINT_ID_TEXT_SIZE];
	return json_new_text(point_id_text(point->id, id));
}

static struct json *time_to_json(uint64_t ns)
{
	char time[CLOCK_TEXT_SIZE];
	return ns ? json_new_text(clock_format(ns, time)) : json_new_null();
}

/* What is known of a point whose commit cannot be read, or is gone. */
static struct json *lost_to_json(const struct repository *repository, const struct lost_point *lost)
{
	if (!lost)
		return json_new_null();
	struct json *json = json_new_object();
	json_set(json, "writer", json_new_text(lost_point_writer(repository, lost)));
	json_set(json, "session", json_new_number(lost->session.number));
	json_set(json, "begun", time_to_json(lost->begun_ns));
	json_set(json, "before", time_to_json(lost->before_ns));
	json_set(json, "workload", json_new_text(lost->knowledge == WORKLOAD_KNOWN ? lost->workload : NULL));
	json_set(json, "workload_of_others",
		 json_new_text(lost->knowledge == WORKLOAD_OF_OTHERS ? lost->workload : NULL));
	return json;
}

static struct json *damage_to_json(const struct repository *repository, const struct scrub_report *report,
				   const struct scrub_damage *damage)
{
	struct json *json = json_new_object(), *points = json_new_array(), *may = json_new_array();
	json_set(json, "object", json_new_text(damage->object));
	json_set(json, "reason", json_new_text(damage->reason));
	for (size_t i = 0; i < damage->n_points; i++)
		json_append(damage->points[i].certain ? points : may,
			    id_to_json(&report->hurt[damage->points[i].point]));
	json_set(json, "points", points);
	json_set(json, "may_hurt", may);
	json_set(json, "points_not_named", json_new_number(damage->n_hurt + damage->n_may_hurt - damage->n_points));
	json_set(json, "commit", lost_to_json(repository, damage->lost));
	return json;
}

/* Those of one judgement. */
static struct json *points_to_json(const struct scrub_point *points, size_t n, enum judgement judgement)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < n; i++) {
		if (points[i].judgement != judgement)
			continue;
		char time[CLOCK_TEXT_SIZE];
		struct json *json = json_new_object();
		json_set(json, "id", id_to_json(&points[i]));
		json_set(json, "workload", json_new_text(points[i].workload));
		json_set(json, "time", json_new_text(clock_format(points[i].cut_ns, time)));
		json_append(array, json);
	}
	return array;
}

struct json *scrub_report_to_json(const struct repository *repository, const struct scrub_report *report,
				  enum scrub_level level)
{
	char began[CLOCK_TEXT_SIZE];
	struct json *json = json_new_object(), *damaged = json_new_array();
	json_set(json, "level", json_new_text(scrub_level_text(level)));
	json_set(json, "objects", json_new_number(report->objects));
	json_set(json, "bytes", json_new_number(report->bytes));
	json_set(json, "began", json_new_text(clock_format(report->began_ns, began)));
	json_set(json, "bytes_before", json_new_number(report->bytes_before));
	json_set(json, "slots_refused", json_new_number(report->slots_refused));
	for (size_t i = 0; i < report->n_damaged; i++)
		json_append(damaged, damage_to_json(repository, report, &report->damaged[i]));
	json_set(json, "damaged", damaged);
	json_set(json, "hurt", points_to_json(report->hurt, report->n_hurt, POINT_HURT));
	json_set(json, "may_be_hurt", points_to_json(report->hurt, report->n_hurt, POINT_MAY_BE_HURT));
	json_set(json, "newest_whole", points_to_json(report->whole, report->n_whole, POINT_WHOLE));
	return json;
}

/* "web01@2026-11-22T07:00:00Z (point 3f9a12bc0d4e)". */
static void print_point(const struct scrub_point *point)
{
	char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE], workload[WORKLOAD_NAME_MAX + 1];
	memcpy(workload, point->workload, sizeof(workload));
	printf("%s@%s (point %.*s)", words_make_printable(workload), clock_format(point->cut_ns, time), POINT_ID_SHORT,
	       point_id_text(point->id, id));
}

/* Of a commit that cannot be read; the sentence of one that is gone says it. */
static bool print_traces(const struct repository *repository, const struct lost_point *lost, struct err **errp)
{
	if (!lost->unreadable)
		return true;
	AUTO(freep) char *traces = lost_point_traces(repository, lost);
	if (!traces)
		return err_set_no_memory(errp);
	printf("    ends %s\n", words_make_printable(traces));
	return true;
}

static void print_more(const struct scrub_damage *damage, size_t shown)
{
	uint64_t all = damage->n_hurt + damage->n_may_hurt;
	if (all == damage->n_points && all > shown)
		printf("    and %" PRIu64 " points more; --json names them\n", all - shown);
	else if (all > shown)
		printf("    and %" PRIu64
		       " points more; --json names %zu of them: there is too much damage to name all\n",
		       all - shown, damage->n_points - shown);
}

static bool print_damage(const struct repository *repository, const struct scrub_report *report,
			 const struct scrub_damage *damage, struct err **errp)
{
	AUTO(freep) char *reason = strdup(damage->reason);
	size_t shown = damage->n_points < POINTS_SHOWN ? damage->n_points : POINTS_SHOWN;
	if (!reason)
		return err_set_no_memory(errp);
	printf("damaged: %s: %s\n", damage->object, words_make_printable(reason));
	for (size_t i = 0; i < shown; i++) {
		printf("    %s ", damage->points[i].certain ? "hurts" : "may hurt");
		print_point(&report->hurt[damage->points[i].point]);
		putchar('\n');
	}
	print_more(damage, shown);
	return !damage->lost || print_traces(repository, damage->lost, errp);
}

static bool is_of(const struct scrub_point *points, size_t n, const char *workload)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(points[i].workload, workload) == 0)
			return true;
	return false;
}

static const struct scrub_point *whole_of(const struct scrub_report *report, const char *workload)
{
	for (size_t i = 0; i < report->n_whole; i++)
		if (strcmp(report->whole[i].workload, workload) == 0)
			return &report->whole[i];
	return NULL;
}

/* What of this workload can still be relied on. */
static void print_newest_whole(const struct scrub_report *report, const char *workload)
{
	const struct scrub_point *whole = whole_of(report, workload);
	char name[WORKLOAD_NAME_MAX + 1];
	if (whole) {
		printf("the newest whole one is ");
		print_point(whole);
		putchar('\n');
		return;
	}
	memcpy(name, workload, sizeof(name));
	printf("no point of %s is known to be whole\n", words_make_printable(name));
}

static void print_advice(const struct scrub_report *report)
{
	bool behind = false; /* some workload's newest point is hurt */
	for (size_t i = 0; i < report->n_hurt; i++) {
		const struct scrub_point *hurt = &report->hurt[i], *whole = whole_of(report, hurt->workload);
		behind = behind || !whole || whole->cut_ns < hurt->cut_ns;
		if (!is_of(report->hurt, i, hurt->workload))
			print_newest_whole(report, hurt->workload);
	}
	if (behind)
		printf("Back up again from here while the source is intact: what is damaged is stored again, the new "
		       "point is whole, and older ones are read from it where they are damaged.\n");
	if (report->n_damaged > 0)
		printf("An intact copy of a damaged object, put back in its place, mends every point that it hurts.\n");
}

static void print_pass(const struct scrub_report *report, enum scrub_level level)
{
	char size[PROGRESS_SIZE_TEXT], began[CLOCK_TEXT_SIZE];
	if (level == SCRUB_SIZES)
		printf(", by sizes; no pack was read");
	else
		printf(", a full pass by %s", scrub_level_text(level));
	if (report->bytes_before > 0)
		printf(" that began at %s, %s of it in earlier runs", clock_format(report->began_ns, began),
		       progress_size_text(report->bytes_before, size));
	if (report->slots_refused > 0)
		printf("; the slots of passphrases (s/) were not looked at: what opened the place may not read them");
}

bool scrub_report_print(const struct repository *repository, const struct scrub_report *report, enum scrub_level level,
			struct err **errp)
{
	char size[PROGRESS_SIZE_TEXT];
	for (size_t i = 0; i < report->n_damaged; i++)
		if (!print_damage(repository, report, &report->damaged[i], errp))
			return false;
	printf("%" PRIu64 " objects, %s", report->objects, progress_size_text(report->bytes, size));
	print_pass(report, level);
	if (report->n_damaged == 0) {
		printf(": all whole\n");
		return true;
	}
	printf(": %zu damaged; points hurt: %" PRIu64, report->n_damaged, report->n_hurt - report->may_be_hurt);
	if (report->may_be_hurt > 0)
		printf(", that may be: %" PRIu64, report->may_be_hurt);
	printf(", whole: %" PRIu64 "\n", report->whole_points);
	print_advice(report);
	return true;
}
