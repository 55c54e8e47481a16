/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "cli/report.h"
#include "cli/restore_damage.h"
#include "cli/run.h"
#include "cli/table.h"
#include "cli/words.h"
#include "restore/write_image.h"

/* The names of --disk, which are new; paths are the options'. */
struct target_list {
	struct restore_target targets[POINT_STREAMS_MAX];
	size_t n;
};

static void target_list_release(struct target_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free((char *)list->targets[i].disk);
}

static bool target_list_fill(struct target_list *list, const struct text_list *said, struct err **errp)
{
	if (said->n > POINT_STREAMS_MAX)
		return err_set(errp, ERR_USAGE, "a point has at most %d streams", POINT_STREAMS_MAX);
	for (size_t i = 0; i < said->n; i++) {
		char *name;
		if (!words_split_disk(said->items[i], &name, &list->targets[i].path, errp))
			return false;
		list->targets[i].disk = name;
		list->n++;
	}
	return true;
}

static bool parse_format(const char *text, enum image_format *ret, struct err **errp)
{
	if (!text || strcmp(text, "raw") == 0)
		*ret = IMAGE_RAW;
	else if (strcmp(text, "qcow2") == 0)
		*ret = IMAGE_QCOW2;
	else
		return err_set(errp, ERR_USAGE, "--format '%s' is neither raw nor qcow2", text);
	return true;
}

static bool choose(const struct context *context, struct target_list *list, struct restore_options *ret,
		   struct err **errp)
{
	const struct options *options = &context->options;
	if (!options->to == (options->disks.n == 0))
		return err_set(errp, ERR_USAGE,
			       "where to? Say either --to DIR for everything, or --disk [NAME=]PATH for single disks");
	if (!target_list_fill(list, &options->disks, errp) || !parse_format(options->format, &ret->format, errp))
		return false;
	ret->to = options->to;
	ret->targets = list->targets;
	ret->n_targets = list->n;
	ret->force = options->force;
	ret->keep_damaged = options->keep_damaged;
	ret->note = report_note;
	ret->cancel = &context->cancel;
	return true;
}

/* What was read from elsewhere, since it is damaged where it lies. */
static struct json *healed_to_json(const struct restore_result *result)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < result->n; i++) {
		const struct restored_file *file = &result->files[i];
		if (!file->healed)
			continue;
		struct json *json = json_new_object();
		json_set(json, "name", json_new_text(file->name));
		json_set(json, "chunks", json_new_number(file->healed_chunks));
		json_set(json, "message", json_new_text(file->healed));
		json_append(array, json);
	}
	return array;
}

/* What came back is right, but the repository is not: somebody should see to it before another copy goes, too. */
static void tell_healed(struct context *context, const struct restore_result *result)
{
	for (size_t i = 0; i < result->n; i++)
		if (result->files[i].healed)
			report_attention(context, "%s; 'salvor scrub' tells what is damaged", result->files[i].healed);
}

/* Only what is whole is called restored. err is how it ends: damage, or what kept the rest from being written. */
static struct json *to_json(const struct point *point, const struct restore_result *result, const struct err *err)
{
	char id[POINT_ID_TEXT_SIZE];
	struct json *json = json_new_object(), *files = json_new_array();
	json_set(json, "point", json_new_text(point_id_text(point->id, id)));
	for (size_t i = 0; i < result->n; i++) {
		if (!restored_file_is_whole(&result->files[i]))
			continue;
		struct json *file = json_new_object();
		json_set(file, "name", json_new_text(result->files[i].name));
		json_set(file, "path", json_new_text(result->files[i].path));
		json_set(file, "size", json_new_number(result->files[i].size));
		json_append(files, file);
	}
	json_set(json, "files", files);
	if (result->n_damaged > 0)
		json_set(json, "damaged", restore_damage_to_json(result));
	json_set(json, "healed", healed_to_json(result));
	if (err)
		json_set(json, "error", error_to_json(err));
	return json;
}

static bool print(const struct restore_result *result, struct err **errp)
{
	static const char *const heads[] = {"RESTORED", ">SIZE", "PATH"};
	AUTO(table_release) struct table table;
	table_init(&table, heads, ARRAY_LENGTH(heads));
	for (size_t i = 0; i < result->n; i++) {
		char size[PROGRESS_SIZE_TEXT];
		if (!restored_file_is_whole(&result->files[i]))
			continue;
		table_cell(&table, "%s", result->files[i].name);
		table_cell(&table, "%s", progress_size_text(result->files[i].size, size));
		table_cell(&table, "%s", result->files[i].path);
	}
	return table_print(&table, errp);
}

/* The work itself, under a progress line. */
static bool write_files(struct context *context, const struct repository *repository, const struct point *point,
			const struct restore_options *options, struct restore_result *ret, struct err **errp)
{
	struct progress progress = {0};
	struct restore_options shown = *options;
	shown.progress = &progress;
	AUTO(freep) char *title = file_format("%s: restoring", point->workload);
	if (!title)
		return err_set_no_memory(errp);
	struct progress_line *line = context_progress(context, &progress, words_make_printable(title), "written", errp);
	if (!line && *errp)
		return false;
	bool ok = restore_point(repository, point, &shown, ret, errp);
	progress_line_end(line);
	if (ok)
		return true;
	context_explain_interruption(errp, "no half-written file was left");
	return restore_failure_explain(ret, errp);
}

static bool report(struct context *context, const struct point *point, const struct restore_result *result,
		   const struct err *err, struct err **errp)
{
	if (context->options.json)
		return report_json(context, to_json(point, result, err), errp);
	return result->n == result->n_damaged || print(result, errp);
}

/* What is whole is reported as ever; the damage is how it ends. */
static bool report_damage(struct context *context, const struct repository *repository, const struct point *point,
			  const struct restore_result *result, struct err **errp)
{
	AUTO(err_freep) struct err *damage = NULL;
	restore_damage_explain(repository, point, result, context, &damage);
	return report(context, point, result, damage, errp) && err_move(errp, &damage);
}

/* What is whole stays; a script finds it where a success names it. The first failure is the one that is told. */
static bool report_broken(struct context *context, const struct point *point, const struct restore_result *result,
			  struct err **errp)
{
	AUTO(err_freep) struct err *failure = STEAL(errp);
	if (context->options.json && result->n > 0 && !report(context, point, result, failure, errp))
		err_clear(errp);
	return err_move(errp, &failure);
}

bool run_restore(struct context *context, struct err **errp)
{
	AUTO(target_list_release) struct target_list list = {0};
	AUTO(restore_result_release) struct restore_result result = {0};
	AUTO(point_release) struct point point = {0};
	struct restore_options options = {0};
	if (!choose(context, &list, &options, errp))
		return false;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || !point_find(repository, context->options.operands.items[0], &point, errp))
		return false;
	report_other_writer(repository, &point);
	report_missed(context, &point);
	bool written = write_files(context, repository, &point, &options, &result, errp);
	tell_healed(context, &result);
	if (!written)
		return report_broken(context, &point, &result, errp);
	if (result.n_damaged > 0)
		return report_damage(context, repository, &point, &result, errp);
	report_point(&point);
	return report(context, &point, &result, NULL, errp);
}
