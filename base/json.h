/* SPDX-License-Identifier: Apache-2.0 */
/* JSON values for --json output, for guest agents and for small state files; on jansson, which has names in json_, too.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/compiler.h"

struct err;
struct json; /* any JSON value */

/*
 * Builders give NULL on lack of memory, and setters accept NULL values, so that a tree is built without a test at each
 * leaf: what was lost is remembered, and the thread's next json_write() or json_to_text() fails.
 */
struct json *json_new_object(void);
struct json *json_new_array(void);
/* NULL text: JSON null. Bytes that are not UTF-8 become U+FFFD. */
struct json *json_new_text(const char *text);
struct json *json_new_number(uint64_t value);
struct json *json_new_real(double value);
struct json *json_new_bool(bool value);
struct json *json_new_null(void);
/* Both take over the value. */
void json_set(struct json *object, const char *name, struct json *value);
void json_append(struct json *array, struct json *value);
void json_free(struct json *json);
DEFINE_AUTO_FREE(struct json, json_free);

/* Parses one value; `name` is for messages. ERR_CORRUPT when it is not JSON. */
NODISCARD struct json *json_parse(const char *text, const char *name, struct err **errp);
/* Getters borrow from the parent; NULL, or the fallback, where it is missing or of another type. */
struct json *json_get(const struct json *object, const char *name);
const char *json_get_text(const struct json *object, const char *name);
uint64_t json_get_number(const struct json *object, const char *name, uint64_t fallback);
size_t json_length(const struct json *array);
struct json *json_at(const struct json *array, size_t index);

/* One line and a newline. False when building had failed or the stream does. */
NODISCARD bool json_write(const struct json *json, FILE *stream, struct err **errp);
/* A new string without newline; NULL on lack of memory, now or while building. */
char *json_to_text(const struct json *json);
