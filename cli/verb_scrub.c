/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/words.h"
#include "storage/scrub.h"

static struct json *damage_to_json(const struct scrub_damage *damage)
{
	struct json *json = json_new_object(), *points = json_new_array();
	json_set(json, "object", json_new_text(damage->object));
	json_set(json, "reason", json_new_text(damage->reason));
	for (size_t i = 0; i < damage->n_points; i++)
		json_append(points, json_new_text(damage->points[i]));
	json_set(json, "points", points);
	return json;
}

static struct json *to_json(const struct scrub_report *report)
{
	struct json *json = json_new_object(), *damaged = json_new_array();
	json_set(json, "objects", json_new_number(report->objects));
	json_set(json, "bytes", json_new_number(report->bytes));
	for (size_t i = 0; i < report->n_damaged; i++)
		json_append(damaged, damage_to_json(&report->damaged[i]));
	json_set(json, "damaged", damaged);
	return json;
}

static bool print_damage(const struct scrub_damage *damage, struct err **errp)
{
	AUTO(freep) char *reason = strdup(damage->reason);
	if (!reason)
		return err_set_no_memory(errp);
	printf("damaged: %s: %s\n", damage->object, words_make_printable(reason));
	for (size_t i = 0; i < damage->n_points; i++)
		printf("    hurts point %.*s\n", POINT_ID_SHORT, damage->points[i]);
	return true;
}

static bool print(const struct scrub_report *report, struct err **errp)
{
	char size[PROGRESS_SIZE_TEXT];
	for (size_t i = 0; i < report->n_damaged; i++)
		if (!print_damage(&report->damaged[i], errp))
			return false;
	printf("%" PRIu64 " objects, %s: ", report->objects, progress_size_text(report->bytes, size));
	if (report->n_damaged == 0)
		printf("all whole\n");
	else
		printf("%zu damaged; points that are not named here are whole\n", report->n_damaged);
	return true;
}

/* The work itself, under a progress line. */
static bool look(struct context *context, struct repository *repository, struct scrub_report *ret, struct err **errp)
{
	struct progress progress = {0};
	struct scrub_options options = {.cancel = &context->cancel, .progress = &progress};
	struct progress_line *line = context_progress(context, &progress, "scrubbing", "read", errp);
	if (!line && *errp)
		return false;
	bool ok = scrub_run(repository, &options, ret, errp);
	progress_line_end(line);
	return ok || context_explain_interruption(errp, "nothing was changed, and not everything was looked at");
}

bool run_scrub(struct context *context, struct err **errp)
{
	AUTO(scrub_report_release) struct scrub_report report = {0};
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, errp);
	if (!repository || !look(context, repository, &report, errp))
		return false;
	if (report.n_damaged > 0)
		context->status = EXIT_DAMAGE;
	return context->options.json ? report_json(context, to_json(&report), errp) : print(&report, errp);
}
