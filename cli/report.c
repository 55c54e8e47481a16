/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "cli/words.h"

bool report_json(struct context *context, struct json *json, struct err **errp)
{
	AUTO(json_freep) struct json *owned = json;
	context->json_written = true;
	return json_write(owned, stdout, errp);
}

bool report_flush(struct err **errp)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	return err_set_errno(errp, errno ? errno : EIO, "cannot write to standard output");
}

struct json *error_to_json(const struct err *err)
{
	struct json *error = json_new_object();
	json_set(error, "code", json_new_text(err_code_name(err_code(err))));
	json_set(error, "object", json_new_text(err_object(err)));
	json_set(error, "message", json_new_text(err_message(err)));
	return error;
}

static void print_error_object(const struct err *err)
{
	struct err *ignored = NULL; /* standard output is broken; the sentence on standard error remains */
	AUTO(json_freep) struct json *json = json_new_object();
	json_set(json, "error", error_to_json(err));
	if (!json_write(json, stdout, &ignored))
		err_free(ignored);
}

int report_failure(const struct context *context, const struct err *err, bool json)
{
	AUTO(freep) char *message = strdup(err_message(err));
	fprintf(stderr, "salvor: %s\n", message ? words_make_printable(message) : "out of memory");
	if (json && !context->json_written)
		print_error_object(err);
	return err_exit_status(err_code(err));
}

static void warn(const char *text)
{
	AUTO(freep) char *copy = strdup(text);
	log_warning("%s", copy ? words_make_printable(copy) : "out of memory");
}

void report_attention(struct context *context, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	AUTO(freep) char *text = NULL;
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	warn(text ? text : "out of memory");
	if (context->status == EXIT_DONE)
		context->status = EXIT_ATTENTION;
}

void report_note(void *arg, const char *text)
{
	(void)arg;
	AUTO(freep) char *copy = strdup(text);
	if (copy)
		log_info("%s", words_make_printable(copy));
}

char *point_name_text(const struct point *point)
{
	char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE], workload[WORKLOAD_NAME_MAX + 1];
	memcpy(workload, point->workload, sizeof(workload));
	return file_format("%s@%s (point %.*s)", words_make_printable(workload), clock_format(point->cut_ns, time),
			   POINT_ID_SHORT, point_id_text(point->id, id));
}

char *point_id_text(const uint8_t id[POINT_ID_SIZE], char text[POINT_ID_TEXT_SIZE])
{
	return hex_encode(id, POINT_ID_SIZE, text);
}

struct json *point_to_json(const struct point *point)
{
	char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE];
	struct json *json = json_new_object();
	json_set(json, "id", json_new_text(point_id_text(point->id, id)));
	json_set(json, "workload", json_new_text(point->workload));
	json_set(json, "time", json_new_text(clock_format(point->cut_ns, time)));
	json_set(json, "engine", json_new_text(point->engine));
	json_set(json, "consistency", json_new_text(consistency_text(point->consistency)));
	json_set(json, "bytes", json_new_number(point_bytes(point)));
	return json;
}

/* Of "object: reason"; people are told what it was, not what it was called. */
static const char *reason_of(const char *text)
{
	const char *colon = strstr(text, ": ");
	return colon ? colon + 2 : text;
}

void report_damaged(struct context *context, const struct point_list *list)
{
	for (size_t i = 0; i < list->n_damaged; i++)
		warn(list->damaged[i]);
	if (list->n_damaged > 0)
		context->status = EXIT_DAMAGE;
	for (size_t i = 0; i < list->n_vanished; i++)
		report_attention(context, "%s", reason_of(list->vanished[i].text));
}

/* "name: reason", as the list has it. */
static struct json *damage_to_json(const char *text)
{
	const char *colon = strstr(text, ": ");
	AUTO(freep) char *object = colon ? strndup(text, (size_t)(colon - text)) : NULL;
	struct json *json = json_new_object();
	json_set(json, "object", json_new_text(object));
	json_set(json, "reason", json_new_text(colon ? colon + 2 : text));
	return json;
}

struct json *damaged_to_json(const struct point_list *list)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < list->n_damaged; i++)
		json_append(array, damage_to_json(list->damaged[i]));
	return array;
}

struct json *vanished_to_json(const struct point_list *list)
{
	struct json *array = json_new_array();
	for (size_t i = 0; i < list->n_vanished; i++)
		json_append(array, damage_to_json(list->vanished[i].text));
	return array;
}

void report_point(struct point *point)
{
	char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE];
	log_info("%s as of %s (point %.*s)", words_make_printable(point->workload), clock_format(point->cut_ns, time),
		 POINT_ID_SHORT, point_id_text(point->id, id));
}

void report_missed(struct context *context, const struct point *point)
{
	AUTO(freep) char *name = point->missed[0] ? point_name_text(point) : NULL;
	if (name)
		report_attention(context,
				 "%s cannot be read or has vanished, and may be of a newer point than %s, which was "
				 "taken; 'salvor points' tells more",
				 point->missed, name);
}

static const char *writer_name(const struct repository *repository, const uint8_t id8[WRITER_SIZE])
{
	const struct keyring_member *member = keyring_find(repository_keyring(repository), id8);
	return member ? member->name : "?";
}

void report_other_writer(const struct repository *repository, const struct point *point)
{
	const uint8_t *before = point->writer_before, *now = point->session.writer;
	if (bytes_all_zero(before, WRITER_SIZE) || memcmp(before, now, WRITER_SIZE) == 0)
		return;
	AUTO(freep) char *name = point_name_text(point);
	AUTO(freep)
	char *text =
		name ? file_format("%s was made by '%s', and the point before it by '%s': each time is that of its "
				   "writer's clock; 'salvor points' lists all",
				   name, writer_name(repository, now), writer_name(repository, before))
		     : NULL;
	if (text)
		warn(text);
}
