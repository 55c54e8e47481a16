/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/words.h"
#include "storage/scrub.h"

#define POINTS_SHOWN 8

static const char *const level_names[] = {
	[SCRUB_SIZES] = "sizes", [SCRUB_DIGESTS] = "digests", [SCRUB_CONTENTS] = "contents"};

static bool parse_level(const char *text, enum scrub_level *ret, struct err **errp)
{
	*ret = SCRUB_DIGESTS;
	if (!text)
		return true;
	for (size_t i = 0; i < ARRAY_LENGTH(level_names); i++) {
		if (strcmp(text, level_names[i]) != 0)
			continue;
		*ret = (enum scrub_level)i;
		return true;
	}
	return err_set(errp, ERR_USAGE, "--level '%s' is none of sizes, digests and contents", text);
}

static struct json *id_to_json(const struct scrub_point *point)
{
	char id[POINT_ID_TEXT_SIZE];
	return json_new_text(point_id_text(point->id, id));
}

static struct json *damage_to_json(const struct scrub_report *report, const struct scrub_damage *damage)
{
	struct json *json = json_new_object(), *points = json_new_array();
	json_set(json, "object", json_new_text(damage->object));
	json_set(json, "reason", json_new_text(damage->reason));
	for (size_t i = 0; i < damage->n_points; i++)
		json_append(points, id_to_json(&report->hurt[damage->points[i]]));
	json_set(json, "points", points);
	return json;
}

static struct json *points_to_json(const struct scrub_point *points, size_t n)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < n; i++) {
		char time[CLOCK_TEXT_SIZE];
		struct json *json = json_new_object();
		json_set(json, "id", id_to_json(&points[i]));
		json_set(json, "workload", json_new_text(points[i].workload));
		json_set(json, "time", json_new_text(clock_format(points[i].cut_ns, time)));
		json_append(array, json);
	}
	return array;
}

static struct json *to_json(const struct scrub_report *report, enum scrub_level level)
{
	char began[CLOCK_TEXT_SIZE];
	struct json *json = json_new_object(), *damaged = json_new_array();
	json_set(json, "level", json_new_text(level_names[level]));
	json_set(json, "objects", json_new_number(report->objects));
	json_set(json, "bytes", json_new_number(report->bytes));
	json_set(json, "began", json_new_text(clock_format(report->began_ns, began)));
	json_set(json, "bytes_before", json_new_number(report->bytes_before));
	for (size_t i = 0; i < report->n_damaged; i++)
		json_append(damaged, damage_to_json(report, &report->damaged[i]));
	json_set(json, "damaged", damaged);
	json_set(json, "hurt", points_to_json(report->hurt, report->n_hurt));
	json_set(json, "newest_whole", points_to_json(report->whole, report->n_whole));
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

static bool print_damage(const struct scrub_report *report, const struct scrub_damage *damage, struct err **errp)
{
	AUTO(freep) char *reason = strdup(damage->reason);
	size_t shown = damage->n_points < POINTS_SHOWN ? damage->n_points : POINTS_SHOWN;
	if (!reason)
		return err_set_no_memory(errp);
	printf("damaged: %s: %s\n", damage->object, words_make_printable(reason));
	for (size_t i = 0; i < shown; i++) {
		printf("    hurts ");
		print_point(&report->hurt[damage->points[i]]);
		putchar('\n');
	}
	if (damage->n_hurt > shown)
		printf("    and %" PRIu64 " points more; --json names them\n", damage->n_hurt - shown);
	return true;
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
	printf("no point of %s is whole\n", words_make_printable(name));
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
		printf("Back up again from here while the source is intact: what is damaged is stored again, and the "
		       "new point is whole. Made with the owner's passphrase, it serves 'restore' for what older ones "
		       "lack.\n");
	if (report->n_damaged > 0)
		printf("An intact copy of a damaged object, put back in its place, mends every point that it hurts.\n");
}

static void print_pass(const struct scrub_report *report, enum scrub_level level)
{
	char size[PROGRESS_SIZE_TEXT], began[CLOCK_TEXT_SIZE];
	if (level == SCRUB_SIZES)
		printf(", by sizes; no pack was read");
	else
		printf(", a full pass by %s", level_names[level]);
	if (report->bytes_before > 0)
		printf(" that began at %s, %s of it in earlier runs", clock_format(report->began_ns, began),
		       progress_size_text(report->bytes_before, size));
}

static bool print(const struct scrub_report *report, enum scrub_level level, struct err **errp)
{
	char size[PROGRESS_SIZE_TEXT];
	for (size_t i = 0; i < report->n_damaged; i++)
		if (!print_damage(report, &report->damaged[i], errp))
			return false;
	printf("%" PRIu64 " objects, %s", report->objects, progress_size_text(report->bytes, size));
	print_pass(report, level);
	if (report->n_damaged == 0) {
		printf(": all whole\n");
		return true;
	}
	printf(": %zu damaged; points hurt: %zu, whole: %" PRIu64 "\n", report->n_damaged, report->n_hurt,
	       report->whole_points);
	print_advice(report);
	return true;
}

/* The work itself, under a progress line. */
static bool look(struct context *context, struct repository *repository, enum scrub_level level,
		 struct scrub_report *ret, struct err **errp)
{
	struct progress progress = {0};
	struct scrub_options options = {
		.level = level, .anew = context->options.anew, .cancel = &context->cancel, .progress = &progress};
	struct progress_line *line = context_progress(context, &progress, "scrubbing", "read", errp);
	if (!line && *errp)
		return false;
	bool ok = scrub_run(repository, &options, ret, errp);
	progress_line_end(line);
	return ok || context_explain_interruption(errp, level == SCRUB_SIZES || !repository_state_path(repository)
								? "not everything was looked at"
								: "the next scrub of this level goes on where this one "
								  "was");
}

bool run_scrub(struct context *context, struct err **errp)
{
	AUTO(scrub_report_release) struct scrub_report report = {0};
	enum scrub_level level;
	if (!parse_level(context->options.level, &level, errp))
		return false;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_CHECK, errp);
	if (!repository || !look(context, repository, level, &report, errp))
		return false;
	if (report.n_damaged > 0)
		context->status = EXIT_DAMAGE;
	return context->options.json ? report_json(context, to_json(&report, level), errp)
				     : print(&report, level, errp);
}
