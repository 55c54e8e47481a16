/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/json_stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/report.h"

/* The text of an object without its braces; "" for none. */
static char *members_text(struct json_stream *stream, struct json *members)
{
	AUTO(json_freep) struct json *owned = members;
	AUTO(freep) char *text = owned ? json_to_text(owned) : strdup("{}");
	size_t len = text ? strlen(text) : 0;
	char *inner = len >= 2 ? strndup(text + 1, len - 2) : NULL;
	stream->failed = stream->failed || !inner;
	return inner;
}

static void separate(struct json_stream *stream)
{
	if (stream->has_items)
		putchar(',');
	stream->has_items = true;
}

void json_stream_open(struct json_stream *stream, struct json *members, const char *list)
{
	AUTO(freep) char *text = members_text(stream, members);
	separate(stream);
	printf("{%s%s\"%s\":[", text ? text : "", text && *text ? "," : "", list);
	stream->depth++;
	stream->has_items = false;
}

void json_stream_item(struct json_stream *stream, struct json *item)
{
	AUTO(freep) char *text = members_text(stream, item);
	separate(stream);
	printf("{%s}", text ? text : "");
}

void json_stream_close(struct json_stream *stream, struct json *members)
{
	AUTO(freep) char *text = members_text(stream, members);
	printf("]%s%s}", text && *text ? "," : "", text ? text : "");
	stream->has_items = true;
	if (--stream->depth == 0)
		putchar('\n');
}

bool json_stream_check(const struct json_stream *stream, struct err **errp)
{
	if (stream->failed)
		return err_set_no_memory(errp);
	return !ferror(stdout) || report_flush(errp);
}
