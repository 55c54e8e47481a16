/* SPDX-License-Identifier: Apache-2.0 */
/* A struct json is a json_t under another name: the type is never completed, only its pointer converted. */
#include "base/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/utf8.h"

/* Something of what this thread builds was lost for lack of memory. */
static _Thread_local bool incomplete;

static json_t *to_jansson(const struct json *json)
{
	return (json_t *)json;
}

static struct json *built(json_t *value)
{
	if (!value)
		incomplete = true;
	return (struct json *)value;
}

/* Whether something was lost since the last time it was asked. */
static bool take_incomplete(void)
{
	bool was = incomplete;
	incomplete = false;
	return was;
}

struct json *json_new_object(void)
{
	return built(json_object());
}

struct json *json_new_array(void)
{
	return built(json_array());
}

struct json *json_new_text(const char *text)
{
	if (!text)
		return json_new_null();
	AUTO(freep) char *repaired = utf8_repair(text);
	return built(repaired ? json_string(repaired) : NULL);
}

struct json *json_new_number(uint64_t value)
{
	/* jansson's integers are signed; beyond them a number that is nearly right is better than one that is negative.
	 */
	return built(value <= INT64_MAX ? json_integer((json_int_t)value) : json_real((double)value));
}

struct json *json_new_real(double value)
{
	return built(json_real(value));
}

struct json *json_new_bool(bool value)
{
	return built(json_boolean(value));
}

struct json *json_new_null(void)
{
	return built(json_null());
}

void json_set(struct json *object, const char *name, struct json *value)
{
	if (json_object_set_new(to_jansson(object), name, to_jansson(value)) < 0)
		incomplete = true;
}

void json_append(struct json *array, struct json *value)
{
	if (json_array_append_new(to_jansson(array), to_jansson(value)) < 0)
		incomplete = true;
}

void json_free(struct json *json)
{
	json_decref(to_jansson(json));
}

struct json *json_parse(const char *text, const char *name, struct err **errp)
{
	json_error_t error;
	json_t *value = json_loads(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (value)
		return (struct json *)value;
	if (json_error_code(&error) == json_error_out_of_memory)
		err_set_no_memory(errp);
	else
		err_set(errp, ERR_CORRUPT, "%s: not JSON: line %d: %s", name, error.line, error.text);
	return NULL;
}

struct json *json_get(const struct json *object, const char *name)
{
	return (struct json *)json_object_get(to_jansson(object), name);
}

const char *json_get_text(const struct json *object, const char *name)
{
	return json_string_value(json_object_get(to_jansson(object), name));
}

uint64_t json_get_number(const struct json *object, const char *name, uint64_t fallback)
{
	const json_t *value = json_object_get(to_jansson(object), name);
	return json_is_integer(value) && json_integer_value(value) >= 0 ? (uint64_t)json_integer_value(value)
									: fallback;
}

size_t json_length(const struct json *array)
{
	return json_array_size(to_jansson(array));
}

struct json *json_at(const struct json *array, size_t index)
{
	return (struct json *)json_array_get(to_jansson(array), index);
}

char *json_to_text(const struct json *json)
{
	if (take_incomplete())
		return NULL;
	return json_dumps(to_jansson(json), JSON_COMPACT | JSON_ENCODE_ANY);
}

bool json_write(const struct json *json, FILE *stream, struct err **errp)
{
	AUTO(freep) char *text = json_to_text(json);
	if (!text)
		return err_set_no_memory(errp);
	if (fprintf(stream, "%s\n", text) < 0 || fflush(stream) != 0)
		return err_set_errno(errp, errno, "cannot write the JSON object");
	return true;
}
