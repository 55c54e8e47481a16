/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   TEXT ──ESC──► ESCAPE ──'['──► SEQUENCE ──letter──► TEXT
 *     ▲             ├──']' 'P' '^' '_' 'X'──► STRING ──BEL──► TEXT
 *     └──any other──┘                           └──ESC──► STRING_ESCAPE ──any──► TEXT
 */
#include "restore/plain_text.h"

enum { BELL = 0x07, CANCEL = 0x18, ESCAPE = 0x1b, DELETE = 0x7f };

static void tell(struct plain_text *text, plain_line_function *each, void *arg, bool whole)
{
	text->line[text->len] = '\0';
	each(arg, text->line, whole);
	if (whole)
		text->len = 0;
}

static bool opens_string(unsigned char c)
{
	return c == ']' || c == 'P' || c == '^' || c == '_' || c == 'X';
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

static void add(struct plain_text *text, unsigned char c, plain_line_function *each, void *arg)
{
	switch (text->state) {
	case PLAIN_TEXT:
		if (c == ESCAPE)
			text->state = PLAIN_ESCAPE;
		else
			add_letter(text, c, each, arg);
		break;
	case PLAIN_ESCAPE:
		text->state = c == '[' ? PLAIN_SEQUENCE : opens_string(c) ? PLAIN_STRING : PLAIN_TEXT;
		break;
	case PLAIN_SEQUENCE:
		if (c >= '@' || c == CANCEL || c == '\n')
			text->state = PLAIN_TEXT;
		break;
	case PLAIN_STRING:
		if (c == BELL || c == CANCEL || c == '\n')
			text->state = PLAIN_TEXT;
		else if (c == ESCAPE)
			text->state = PLAIN_STRING_ESCAPE;
		break;
	case PLAIN_STRING_ESCAPE:
		text->state = PLAIN_TEXT;
		break;
	}
}

void plain_text_add(struct plain_text *text, const char *data, size_t len, plain_line_function *each, void *arg)
{
	for (size_t i = 0; i < len; i++)
		add(text, (unsigned char)data[i], each, arg);
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
