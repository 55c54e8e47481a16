/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A JSON object on standard output that is written while what it says is found, for lists that are too long to be kept:
 *
 *   open ──► open or item, as often as there is one ──► close ──► … ──► close of the first
 *
 * Each open() begins an object with a list for its last member so far; close() ends the list, and adds members behind
 * it. However a verb ends, it closes what it opened, so that what arrives is whole JSON.
 */
#pragma once

#include "base/json.h"

struct json_stream {
	unsigned depth;
	bool has_items; /* the innermost list, by now */
	bool failed;	/* no memory */
};

/* All take over their value, an object. */
void json_stream_open(struct json_stream *stream, struct json *members, const char *list);
void json_stream_item(struct json_stream *stream, struct json *item);
/* members may be NULL. */
void json_stream_close(struct json_stream *stream, struct json *members);
/* False when something was lost, for lack of memory or since nobody reads. */
NODISCARD bool json_stream_check(const struct json_stream *stream, struct err **errp);
