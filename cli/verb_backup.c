/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/backup.h"
#include "base/err.h"
#include "base/file.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/words.h"

enum { FREEZE_TIMEOUT_S = 30, FREEZE_TIMEOUT_MAX_S = 3600 };

/* The names of --disk, which are new; paths are the options'. */
struct disk_list {
	struct files_disk disks[ENGINE_DISKS_MAX];
	size_t n;
};

static void disk_list_release(struct disk_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free((char *)list->disks[i].name);
}

static bool disk_list_fill(struct disk_list *list, const struct text_list *said, struct err **errp)
{
	if (said->n > ENGINE_DISKS_MAX)
		return err_set(errp, ERR_USAGE, "a workload has at most %d disks", ENGINE_DISKS_MAX);
	for (size_t i = 0; i < said->n; i++) {
		char *name;
		if (!words_split_disk(said->items[i], &name, &list->disks[i].path, errp))
			return false;
		list->disks[i].name = name;
		list->n++;
	}
	return true;
}

static struct engine *open_engine(const struct context *context, const char *workload, struct err **errp)
{
	const struct options *options = &context->options;
	if (options->disks.n == 0)
		return engine_libvirt_open(options->connect ? options->connect : context->conf.connect, errp);
	AUTO(disk_list_release) struct disk_list list = {0};
	if (!disk_list_fill(&list, &options->disks, errp))
		return NULL;
	return engine_files_open(workload, list.disks, list.n, errp);
}

static bool choose(const struct context *context, struct backup_options *ret, struct err **errp)
{
	const struct options *options = &context->options;
	if (options->connect && options->disks.n > 0)
		return err_set(errp, ERR_USAGE, "--connect names a libvirt and --disk names files: say one of them");
	ret->cancel = &context->cancel;
	ret->full = options->full;
	ret->freeze_timeout_s = FREEZE_TIMEOUT_S;
	ret->spill_dir = options->spill_dir ? options->spill_dir : context->conf.spill_dir;
	ret->note = report_note;
	if (options->freeze_timeout && !words_parse_number("freeze-timeout", options->freeze_timeout, 0,
							   FREEZE_TIMEOUT_MAX_S, &ret->freeze_timeout_s, errp))
		return false;
	return !options->spill_limit || words_parse_size("spill-limit", options->spill_limit, &ret->spill_limit, errp);
}

/* A fallback's name, for a person. */
static const char *explain(const char *reason)
{
	static const struct {
		const char *reason, *words;
	} table[] = {
		{FALLBACK_UNTRACKED, "changes are not tracked"},
		{FALLBACK_BITMAP_MISSING, "the change map is gone"},
		{FALLBACK_BITMAP_INCONSISTENT, "the change map is not to be trusted"},
		{FALLBACK_IMAGE_REPLACED, "an image was replaced"},
		{FALLBACK_SIZE_CHANGED, "a disk has another size"},
		{FALLBACK_POINT_MISSING, "the point before is gone"},
		{FALLBACK_POINT_DAMAGED, "the point before is damaged"},
		{FALLBACK_FORCED, "as asked"},
		{FALLBACK_TRACKING_WRONG, "the change map was wrong"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
		if (strcmp(table[i].reason, reason) == 0)
			return table[i].words;
	return reason;
}

static void describe(const struct backup_result *result)
{
	char id[POINT_ID_TEXT_SIZE], scanned[PROGRESS_SIZE_TEXT], changed[PROGRESS_SIZE_TEXT],
		stored[PROGRESS_SIZE_TEXT], duration[WORDS_SIZE];
	AUTO(freep) char *workload = strdup(result->workload);
	printf("%s: point %.*s, %s", workload ? words_make_printable(workload) : "", POINT_ID_SHORT,
	       point_id_text(result->point, id), result->full ? "full" : "incremental");
	if (result->fallback_reason)
		printf(" (%s)", explain(result->fallback_reason));
	printf(", %s read, %s new, %s stored, %s\n", progress_size_text(result->bytes_scanned, scanned),
	       progress_size_text(result->bytes_changed, changed), progress_size_text(result->bytes_stored, stored),
	       words_duration(result->seconds, duration));
}

static struct json *to_json(const struct backup_result *result)
{
	char id[POINT_ID_TEXT_SIZE];
	struct json *json = json_new_object();
	json_set(json, "point", json_new_text(point_id_text(result->point, id)));
	json_set(json, "workload", json_new_text(result->workload));
	json_set(json, "mode", json_new_text(result->full ? "full" : "incremental"));
	json_set(json, "fallback_reason", json_new_text(result->fallback_reason));
	json_set(json, "consistency", json_new_text(consistency_text(result->consistency)));
	json_set(json, "bytes_scanned", json_new_number(result->bytes_scanned));
	json_set(json, "bytes_checked", json_new_number(result->bytes_checked));
	json_set(json, "bytes_changed", json_new_number(result->bytes_changed));
	json_set(json, "bytes_stored", json_new_number(result->bytes_stored));
	json_set(json, "seconds", json_new_real(result->seconds));
	json_set(json, "attention", json_new_text(result->attention));
	return json;
}

static bool report(struct context *context, const struct backup_result *result, struct err **errp)
{
	if (result->needs_attention)
		report_attention(context, "%s: %s", result->workload,
				 result->attention ? result->attention
						   : "the point stands, but memory ran out afterwards");
	if (context->options.json)
		return report_json(context, to_json(result), errp);
	describe(result);
	return true;
}

/* The work itself, under a progress line. */
static bool protect(struct context *context, struct repository *repository, struct engine *engine, const char *workload,
		    struct backup_options *options, struct backup_result *ret, struct err **errp)
{
	struct progress progress = {0};
	AUTO(freep) char *title = file_format("%s: backing up", workload);
	if (!title)
		return err_set_no_memory(errp);
	struct progress_line *line = context_progress(context, &progress, words_make_printable(title), "stored", errp);
	if (!line && *errp)
		return false;
	options->progress = &progress;
	bool ok = backup_run(repository, engine, workload, options, ret, errp);
	progress_line_end(line);
	return ok || context_explain_interruption(
			     errp, "no point was made and nothing was changed; what was stored is used by "
				   "the next backup");
}

/* A workload of files is no domain, and libvirt no help: whoever did not say --disk learns how it was protected.
 * Returns false. */
static bool ask_for_disks(const struct repository *repository, const char *workload, struct err **errp)
{
	AUTO(point_release) struct point point = {0};
	AUTO(err_freep) struct err *second = NULL;
	AUTO(freep) char *newest = file_format("%s@latest", workload);
	if (!newest || !point_find(repository, newest, &point, &second) || strcmp(point.engine, "files") != 0)
		return false;
	return err_prefix(errp,
			  "'%s' was protected as disk files until now: name them with --disk, as in --disk %s=PATH",
			  point.workload, point.n_streams > 0 ? point.streams[0].name : "vda");
}

/* The same where the engine did not even open. */
static bool open_and_ask_for_disks(const struct context *context, const char *workload, struct err **errp)
{
	struct err *none = NULL;
	if (context->options.disks.n > 0 || context->options.connect)
		return false;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_WRITE, &none);
	err_clear(&none);
	return repository && ask_for_disks(repository, workload, errp);
}

bool run_backup(struct context *context, struct err **errp)
{
	const char *workload = context->options.operands.items[0];
	AUTO(backup_result_release) struct backup_result result = {0};
	struct backup_options options = {0};
	if (!choose(context, &options, errp))
		return false;
	AUTO(engine_freep) struct engine *engine = open_engine(context, workload, errp);
	if (!engine)
		return open_and_ask_for_disks(context, workload, errp);
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_WRITE, errp);
	if (!repository)
		return false;
	if (!protect(context, repository, engine, workload, &options, &result, errp))
		return err_code(*errp) == ERR_NOT_FOUND && context->options.disks.n == 0 &&
		       ask_for_disks(repository, workload, errp);
	return report(context, &result, errp);
}
