/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/restore_damage.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/report.h"
#include "cli/restore_next.h"

enum { RANGES_SHOWN = 4 };

static void print_ranges(FILE *text, const struct image_damage *damage)
{
	char size[PROGRESS_SIZE_TEXT];
	size_t shown = damage->n < RANGES_SHOWN ? damage->n : RANGES_SHOWN;
	for (size_t i = 0; i < shown; i++) {
		const struct damaged_range *range = &damage->ranges[i];
		fprintf(text, "%s%" PRIu64 " bytes at %" PRIu64 " (%s)", i ? ", " : "", range->len, range->offset,
			range->reason);
	}
	if (shown < damage->n || damage->more)
		fprintf(text, " and in %s%zu places more, %s in all", damage->more ? "over " : "", damage->n - shown,
			progress_size_text(damage->bytes, size));
}

static void print_damaged(FILE *text, const struct restore_result *result)
{
	bool kept = false, left_out = false;
	const char *before = "";
	for (size_t i = 0; i < result->n; i++) {
		const struct restored_file *file = &result->files[i];
		if (file->damage.bytes == 0)
			continue;
		fprintf(text, "%s%s in ", before, file->name);
		print_ranges(text, &file->damage);
		kept = kept || file->made;
		left_out = left_out || !file->made;
		before = "; ";
	}
	if (kept)
		fprintf(text, "; what was written has zeros there");
	if (left_out)
		fprintf(text, "; no file was made of it (--keep-damaged makes one, with zeros there; --force replaces "
			      "what is restored already)");
}

static void print_whole(FILE *text, const struct restore_result *result)
{
	const char *before = "; restored whole: ";
	for (size_t i = 0; i < result->n; i++) {
		const struct restored_file *file = &result->files[i];
		if (!restored_file_is_whole(file))
			continue;
		fprintf(text, "%s%s (%s)", before, file->name, file->path);
		before = ", ";
	}
}

static void print_spoiled(FILE *text, const struct restore_result *result)
{
	for (size_t i = 0; i < result->n; i++)
		if (result->files[i].spoiled)
			fprintf(text, "; %s holds no whole disk now", result->files[i].path);
}

/* Ends what open_memstream() began; NULL when it failed. */
static char *finish_text(FILE *text, char **sentence)
{
	bool failed = ferror(text) != 0;
	if (fclose(text) == 0 && !failed)
		return *sentence;
	free(*sentence);
	return NULL;
}

static const char *first_object(const struct restore_result *result)
{
	for (size_t i = 0; i < result->n; i++)
		for (size_t k = 0; k < result->files[i].damage.n; k++)
			if (result->files[i].damage.ranges[k].object)
				return result->files[i].damage.ranges[k].object;
	return NULL;
}

static char *describe(const struct repository *repository, const struct point *point,
		      const struct restore_result *result, const struct context *context)
{
	char *sentence = NULL;
	size_t size;
	AUTO(freep) char *name = point_name_text(point);
	FILE *text = name ? open_memstream(&sentence, &size) : NULL;
	if (!text)
		return NULL;
	fprintf(text, "%s is damaged: ", name);
	print_damaged(text, result);
	print_whole(text, result);
	restore_next_print(text, repository, point, result, context);
	fprintf(text, "; 'salvor scrub' tells what else is hurt");
	return finish_text(text, &sentence);
}

bool restore_damage_explain(const struct repository *repository, const struct point *point,
			    const struct restore_result *result, const struct context *context, struct err **errp)
{
	const char *object = first_object(result);
	AUTO(freep) char *sentence = describe(repository, point, result, context);
	if (!sentence)
		return err_set_no_memory(errp);
	err_set(errp, ERR_CORRUPT, "%s", sentence);
	return object ? err_about(errp, "%s", object) : false;
}

bool restore_failure_explain(const struct restore_result *result, struct err **errp)
{
	AUTO(err_freep) struct err *failure = STEAL(errp);
	char *started = NULL;
	size_t size;
	FILE *text = open_memstream(&started, &size);
	if (!text)
		return err_move(errp, &failure);
	fputs(err_message(failure), text);
	print_whole(text, result);
	print_spoiled(text, result);
	AUTO(freep) char *sentence = finish_text(text, &started);
	if (!sentence)
		return err_move(errp, &failure);
	err_set(errp, err_code(failure), "%s", sentence);
	return err_object(failure) ? err_about(errp, "%s", err_object(failure)) : false;
}

static struct json *range_to_json(const struct damaged_range *range)
{
	struct json *json = json_new_object();
	json_set(json, "offset", json_new_number(range->offset));
	json_set(json, "length", json_new_number(range->len));
	json_set(json, "object", json_new_text(range->object));
	json_set(json, "reason", json_new_text(range->reason));
	return json;
}

struct json *restore_damage_to_json(const struct restore_result *result)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < result->n; i++) {
		const struct restored_file *file = &result->files[i];
		if (file->damage.bytes == 0)
			continue;
		struct json *json = json_new_object(), *ranges = json_new_array();
		json_set(json, "name", json_new_text(file->name));
		json_set(json, "path", json_new_text(file->made ? file->path : NULL));
		json_set(json, "bytes", json_new_number(file->damage.bytes));
		for (size_t k = 0; k < file->damage.n; k++)
			json_append(ranges, range_to_json(&file->damage.ranges[k]));
		json_set(json, "ranges", ranges);
		json_append(array, json);
	}
	return array;
}
