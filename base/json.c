/* SPDX-License-Identifier: Apache-2.0 */
/* A struct json is a json_t under another name: the type is never completed, only its pointer converted. */
#include "base/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

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

struct json *json_object(void)
{
	return built((json_object)());
}
