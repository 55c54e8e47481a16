/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"

void cursor_init(struct cursor *cursor, struct span span)
{
	*cursor = (struct cursor){.at = span.data, .left = span.len};
}

/* The next len bytes, or NULL, and then all that follow fail. */
static const uint8_t *cursor_advance(struct cursor *cursor, size_t len)
{
	if (cursor->failed || len > cursor->left) {
		cursor->failed = true;
		return NULL;
	}
	const uint8_t *at = cursor->at;
	if (len > 0)
		cursor->at += len;
	cursor->left -= len;
	return at;
}

uint8_t cursor_u8(struct cursor *cursor)
{
	const uint8_t *at = cursor_advance(cursor, 1);
	return at ? *at : 0;
}

uint16_t cursor_u16(struct cursor *cursor)
{
	const uint8_t *at = cursor_advance(cursor, 2);
	return at ? bytes_load_le16(at) : 0;
}

uint32_t cursor_u32(struct cursor *cursor)
{
	const uint8_t *at = cursor_advance(cursor, 4);
	return at ? bytes_load_le32(at) : 0;
}

uint64_t cursor_u64(struct cursor *cursor)
{
	const uint8_t *at = cursor_advance(cursor, 8);
	return at ? bytes_load_le64(at) : 0;
}

void cursor_copy(struct cursor *cursor, void *to, size_t len)
{
	if (len == 0)
		return;
	const uint8_t *at = cursor_advance(cursor, len);
	if (at)
		memcpy(to, at, len);
	else
		memset(to, 0, len);
}

struct span cursor_take(struct cursor *cursor, size_t len)
{
	const uint8_t *at = cursor_advance(cursor, len);
	return at ? SPAN(at, len) : SPAN_NONE;
}

void cursor_text(struct cursor *cursor, char *to, size_t size)
{
	size_t len = cursor_u16(cursor);
	struct span text = cursor_take(cursor, len);
	to[0] = '\0';
	if (!cursor_ok(cursor) || len >= size || !utf8_is_text(text)) {
		cursor->failed = true;
		return;
	}
	if (len > 0)
		memcpy(to, text.data, len);
	to[len] = '\0';
}

bool cursor_ok(const struct cursor *cursor)
{
	return !cursor->failed;
}

bool cursor_done(const struct cursor *cursor)
{
	return !cursor->failed && cursor->left == 0;
}
