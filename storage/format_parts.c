/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/format_parts.h"

#include <string.h>

#include "base/err.h"

void format_put_begin(struct bytes *bytes, const char magic[FORMAT_MAGIC_SIZE + 1])
{
	bytes_put(bytes, magic, FORMAT_MAGIC_SIZE);
	bytes_u16(bytes, 1);
	bytes_u16(bytes, 0);
}

bool format_begin(struct cursor *cursor, const char magic[FORMAT_MAGIC_SIZE + 1], const char *what, struct err **errp)
{
	uint8_t found[FORMAT_MAGIC_SIZE];

	cursor_copy(cursor, found, sizeof(found));
	uint16_t version = cursor_u16(cursor);
	uint16_t reserved = cursor_u16(cursor);
	if (!cursor_ok(cursor) || memcmp(found, magic, sizeof(found)) != 0)
		return err_set(errp, ERR_CORRUPT, "not a %s", what);
	if (version != 1)
		return err_set(errp, ERR_UNSUPPORTED, "%s of version %u, this program knows version 1", what, version);
	if (reserved != 0)
		return err_set(errp, ERR_CORRUPT, "%s with unknown flags", what);
	return true;
}

void format_put_session(struct bytes *bytes, const struct session_id *session)
{
	uint8_t out[SESSION_SIZE];

	session_id_store(session, out);
	bytes_put(bytes, out, sizeof(out));
}

void format_session(struct cursor *cursor, struct session_id *ret)
{
	uint8_t in[SESSION_SIZE];

	cursor_copy(cursor, in, sizeof(in));
	session_id_load(in, ret);
}

void format_text(struct cursor *cursor, char *to, size_t min, size_t size)
{
	cursor_text(cursor, to, size);
	if (strlen(to) < min)
		cursor->failed = true;
}
