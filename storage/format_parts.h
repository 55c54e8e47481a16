/* SPDX-License-Identifier: Apache-2.0 */
/* What occurs in many layouts of docs/format.md: the first twelve bytes, and sessions. */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"
#include "storage/ids.h"

struct err;

#define FORMAT_MAGIC_SIZE 8
#define FORMAT_BEGIN_SIZE 12

/* magic, u16 version = 1, u16 0. */
void format_put_begin(struct bytes *bytes, const char magic[FORMAT_MAGIC_SIZE + 1]);
/* ERR_CORRUPT for another magic, ERR_UNSUPPORTED for another version. `what` is for the message, as "list". */
bool format_begin(struct cursor *cursor, const char magic[FORMAT_MAGIC_SIZE + 1], const char *what, struct err **errp);
void format_put_session(struct bytes *bytes, const struct session_id *session);
/* A text of min to size - 1 bytes into `to`; the cursor fails for any other. */
void format_text(struct cursor *cursor, char *to, size_t min, size_t size);
/* Gives number 0, which no session has, when the bytes are not there. */
void format_session(struct cursor *cursor, struct session_id *ret);
