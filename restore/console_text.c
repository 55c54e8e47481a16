/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/console_text.h"

#include <stdbool.h>

#include "base/utf8.h"
#include "restore/escape_scan.h"

#define REPLACEMENT "\xef\xbf\xbd"

static size_t count_returns(struct span span)
{
	const uint8_t *bytes = span.data;
	size_t n = 0;
	while (n < span.len && bytes[n] == '\r')
		n++;
	return n;
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
	struct escape_scan scan = {0};
	size_t begin = out->len;
	for (size_t at = 0; at < raw.len;) {
		struct span rest = SPAN(bytes + at, raw.len - at);
		enum escape_part part = escape_scan_next(&scan, bytes[at]);
		bool new_line = part == ESCAPE_PART_MOVES;
		if (part != ESCAPE_NO_PART) {
			at++;
		} else if (bytes[at] == '\r') {
			at += count_returns(rest);
			new_line = at == raw.len || bytes[at] != '\n';
		} else {
			at += append_character(rest, out);
		}
		if (new_line && !at_line_start(out, begin))
			bytes_u8(out, '\n');
	}
}
