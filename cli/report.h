/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to standard output, and the one place that tells of a failure. */
#pragma once

#include "base/json.h"
#include "cli/context.h"
#include "storage/point.h"

#define POINT_ID_TEXT_SIZE (2 * POINT_ID_SIZE + 1)
#define POINT_ID_SHORT 12 /* digits, where a person reads it */

/* The verb's one object; takes it over. */
NODISCARD bool report_json(struct context *context, struct json *json, struct err **errp);
/* All that was printed has arrived, or ERR_FAILED and the like. */
NODISCARD bool report_flush(struct err **errp);
/* {code, object, message}. */
struct json *error_to_json(const struct err *err);
/* One sentence on standard error, with json an object on standard output too. Returns the exit status. */
int report_failure(const struct context *context, const struct err *err, bool json);
/* The verb is done, but a person should read why: exit status 3, unless it is 4 already. */
void report_attention(struct context *context, const char *format, ...) PRINTF_LIKE(2, 3);
/* A note for people; fits the callbacks of the other rooms, whose arg is not used. */
void report_note(void *arg, const char *text);

/* Tells which point the words of the user mean: "web01 as of 2026-11-22T07:00:00Z (point 3f9a12bc0d4e)". */
void report_point(struct point *point);
/* Warns where a point that was chosen by time was made by another writer than the one before it. */
void report_other_writer(const struct repository *repository, const struct point *point);

/* Calls for attention where a point that was chosen by time may not be the one that was meant. */
void report_missed(struct context *context, const struct point *point);

/* "web01@2026-11-22T07:00:00Z (point 3f9a12bc0d4e)", printable; a new string, NULL on lack of memory. */
char *point_name_text(const struct point *point);
char *point_id_text(const uint8_t id[POINT_ID_SIZE], char text[POINT_ID_TEXT_SIZE]);
/* {id, workload, time, engine, consistency, bytes}. */
struct json *point_to_json(const struct point *point);
/* Warns of what is damaged, exit status 4, and of what has vanished, exit status 3. */
void report_damaged(struct context *context, const struct point_list *list);
/* [{object, reason}]. */
struct json *damaged_to_json(const struct point_list *list);
struct json *vanished_to_json(const struct point_list *list);
