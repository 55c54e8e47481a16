/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/console_text.h"

#include <stdbool.h>

#include "base/utf8.h"

#define ESCAPE 0x1b
#define REPLACEMENT "\xef\xbf\xbd"

static bool is_between(uint8_t byte, uint8_t first, uint8_t last)
{
	return byte >= first && byte <= last;
}

/* Bytes of `span` from `at` on that lie between first and last. */
static size_t run_length(struct span span, size_t at, uint8_t first, uint8_t last)
{
	const uint8_t *bytes = span.data;
	size_t end = at;
	while (end < span.len && is_between(bytes[end], first, last))
		end++;
	return end - at;
}

/* ESC [ parameters, intermediates, final byte. One that is cut off ends where it stops being one. */
static size_t control_sequence(struct span span, bool *ret_moves)
{
	const uint8_t *bytes = span.data;
	size_t len = 2;
	len += run_length(span, len, 0x30, 0x3f);
	len += run_length(span, len, 0x20, 0x2f);
	if (len == span.len || !is_between(bytes[len], 0x40, 0x7e))
		return len;
	*ret_moves = bytes[len] == 'H' || bytes[len] == 'f';
	return len + 1;
}

/* ESC ] text, up to BEL or ESC \; a control character of another kind ends it, so that it hides no more than a line. */
static size_t command_string(struct span span)
{
	const uint8_t *bytes = span.data;
	size_t len = 2;
	while (len < span.len && bytes[len] >= 0x20)
		len++;
	if (len < span.len && bytes[len] == 0x07)
		return len + 1;
	return len + 1 < span.len && bytes[len] == ESCAPE && bytes[len + 1] == '\\' ? len + 2 : len;
}

/* Length of the escape sequence that span begins with. */
static size_t escape_sequence(struct span span, bool *ret_moves)
{
	const uint8_t *bytes = span.data;
	*ret_moves = false;
	if (span.len < 2)
		return 1;
	if (bytes[1] == '[')
		return control_sequence(span, ret_moves);
	if (bytes[1] == ']')
		return command_string(span);
	size_t len = 1 + run_length(span, 1, 0x20, 0x2f);
	return len < span.len && is_between(bytes[len], 0x30, 0x7e) ? len + 1 : len;
}

static bool at_line_start(const struct bytes *out, size_t begin)
{
	return out->len <= begin || out->data[out->len - 1] == '\n';
}

/* Appends what span begins with, and returns how many bytes that were. */
static size_t append_character(struct span span, struct bytes *out)
{
	const uint8_t *bytes = span.data;
	size_t len = utf8_character(span);
	struct span character = SPAN(bytes, len);
	bool plain = len > 0 && !utf8_turns_direction(character) &&
		     (bytes[0] == '\t' || bytes[0] == '\n' || !utf8_is_control(character));
	if (plain)
		bytes_put(out, bytes, len);
	else
		bytes_put(out, REPLACEMENT, sizeof(REPLACEMENT) - 1);
	return len > 0 ? len : 1;
}

void console_text_append(struct span raw, struct bytes *out)
{
	const uint8_t *bytes = raw.data;
	size_t begin = out->len;
	for (size_t at = 0; at < raw.len;) {
		struct span rest = SPAN(bytes + at, raw.len - at);
		bool new_line = false;
		if (bytes[at] == ESCAPE) {
			at += escape_sequence(rest, &new_line);
		} else if (bytes[at] == '\r') {
			at += run_length(raw, at, '\r', '\r');
			new_line = at == raw.len || bytes[at] != '\n';
		} else {
			at += append_character(rest, out);
		}
		if (new_line && !at_line_start(out, begin))
			bytes_u8(out, '\n');
	}
}
