/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/manual.h"

#define MAN_DATE "November 22, 2026"

enum { LINE_MAX_WIDTH = 78 };

/* How a letter is written that roff would make something else of. NULL where it is itself. */
static const char *escape_of(char letter)
{
	switch (letter) {
	case '\\':
		return "\\e";
	case '-':
		return "\\-";
	case '"':
		return "\\(dq";
	case '\'':
		return "\\(aq";
	case '`':
		return "\\(ga";
	case '^':
		return "\\(ha";
	case '~':
		return "\\(ti";
	default:
		return NULL;
	}
}

static void print_escaped(FILE *out, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const char *escape = escape_of(word[i]);
		if (escape)
			fputs(escape, out);
		else
			fputc(word[i], out);
	}
}

static size_t escaped_length(const char *text, size_t len)
{
	size_t length = len;
	for (size_t i = 0; i < len; i++)
		if (escape_of(text[i]))
			length += strlen(escape_of(text[i])) - 1;
	return length;
}

/* mdoc wants a new sentence to begin on a new line. */
static bool ends_sentence(const char *word, size_t len, char next)
{
	return len > 1 && strchr(".?!", word[len - 1]) && isupper((unsigned char)next);
}

/* A dot there would make it a macro. */
static bool may_begin_line(const char *word)
{
	return word[0] != '.';
}

/* What comes before the next place at which a line may end. */
static size_t unbroken(const char *text, const char *end)
{
	size_t len = strcspn(text, " \n");
	while (text + len + 1 < end && !may_begin_line(text + len + 1))
		len += 1 + strcspn(text + len + 1, " \n");
	return len;
}

/* Text in which nothing is an escape, filled to lines of mdoc's taste. */
static void print_text(FILE *out, const char *text, size_t len)
{
	const char *end = text + len;
	size_t column = 0;
	if (!may_begin_line(text))
		fputs("\\&", out);
	while (text < end) {
		size_t word = strcspn(text, " \n");
		if (word > (size_t)(end - text))
			word = (size_t)(end - text);
		print_escaped(out, text, word);
		column += escaped_length(text, word) + 1;
		const char *next = text + word + 1;
		size_t coming = next < end ? escaped_length(next, unbroken(next, end)) : 0;
		bool break_line = next >= end || ends_sentence(text, word, *next) ||
				  (column + coming > LINE_MAX_WIDTH && may_begin_line(next));
		fputc(break_line ? '\n' : ' ', out);
		column = break_line ? 0 : column;
		text = next;
	}
}

void mdoc_line(FILE *out, const char *text)
{
	print_text(out, text, strlen(text));
}

void mdoc_paragraphs(FILE *out, const char *text)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		print_text(out, text, len);
		text += end ? len + 2 : len;
		if (*text)
			fputs(".Pp\n", out);
	}
}

static void print_option(FILE *out, const struct option_spec *spec)
{
	fputs(".It ", out);
	if (spec->letter)
		fprintf(out, "Fl %c , ", spec->letter);
	fprintf(out, "Fl \\-%s", spec->name);
	if (spec->argument)
		fprintf(out, " Ar %s", spec->argument);
	fputc('\n', out);
	mdoc_line(out, spec->text);
	if (spec->fallback) {
		fputs(".br\nDefault: ", out);
		mdoc_line(out, spec->fallback);
	}
}

void mdoc_options(FILE *out, const struct option_spec *specs)
{
	if (!specs->name)
		return;
	fputs(".Pp\nThe options are:\n.Bl -tag -width Ds\n", out);
	for (; specs->name; specs++)
		print_option(out, specs);
	fputs(".El\n", out);
}

void mdoc_places(FILE *out, const char *heading, const char *macro, const struct place_spec *places)
{
	fprintf(out, ".Sh %s\n.Bl -tag -width Ds\n", heading);
	for (; places->name; places++) {
		fprintf(out, ".It %s %s\n", macro, places->name);
		mdoc_line(out, places->text);
	}
	fputs(".El\n", out);
}

void mdoc_statuses(FILE *out, const struct status_spec *statuses)
{
	fputs(".Sh EXIT STATUS\n.Bl -tag -width Ds\n", out);
	for (; statuses->text; statuses++) {
		fprintf(out, ".It %d\n", statuses->status);
		mdoc_line(out, statuses->text);
	}
	fputs(".El\n", out);
}

/* To be copied: in one line, whatever its length. */
static void print_command(FILE *out, const char *command)
{
	fputs(".Bd -literal -offset indent\n", out);
	if (!may_begin_line(command))
		fputs("\\&", out);
	print_escaped(out, command, strlen(command));
	fputs("\n.Ed\n", out);
}

void mdoc_examples(FILE *out, const struct example *examples)
{
	fputs(".Sh EXAMPLES\n", out);
	for (const struct example *example = examples; example->text; example++) {
		if (example != examples)
			fputs(".Pp\n", out);
		mdoc_line(out, example->text);
		print_command(out, example->command);
	}
}

void mdoc_head(FILE *out, const struct mdoc_head *head)
{
	fprintf(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n.Dd %s\n.Dt ", MAN_DATE);
	for (const char *letter = head->name; *letter; letter++)
		fputc(toupper((unsigned char)*letter), out);
	fprintf(out, " %d\n.Os\n.Sh NAME\n.Nm %s\n.Nd %s\n.Sh SYNOPSIS\n", head->section, head->name, head->summary);
}
