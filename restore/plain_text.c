/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/plain_text.h"

enum { DELETE = 0x7f };

static void tell(struct plain_text *text, plain_line_function *each, void *arg, bool whole)
{
	text->line[text->len] = '\0';
	each(arg, text->line, whole);
	if (whole)
		text->len = 0;
}

/* A carriage return before a line feed belongs to it; before anything else the line begins anew. */
static void add_letter(struct plain_text *text, unsigned char c, plain_line_function *each, void *arg)
{
	if (c == '\n' || text->len == PLAIN_LINE_MAX)
		tell(text, each, arg, true);
	if (c == '\r' || c == '\n') {
		text->returned = c == '\r';
		return;
	}
	if (c == '\b' && text->len > 0)
		text->len--;
	if (c == '\t')
		c = ' ';
	if (c < ' ' || c == DELETE)
		return;
	if (text->returned)
		text->len = 0;
	text->returned = false;
	text->line[text->len++] = (char)c;
}

void plain_text_add(struct plain_text *text, const char *data, size_t len, plain_line_function *each, void *arg)
{
	for (size_t i = 0; i < len; i++)
		if (escape_scan_next(&text->scan, (unsigned char)data[i]) == ESCAPE_NO_PART)
			add_letter(text, (unsigned char)data[i], each, arg);
	if (text->len > 0)
		tell(text, each, arg, false);
}

char *plain_text_make_ascii(char *line)
{
	for (char *c = line; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	return line;
}
