/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/manual.h"

enum { COLUMNS = 80, INDENT = 2, TEXT_COLUMN = 10 };

static void print_blanks(FILE *out, int n)
{
	fprintf(out, "%*s", n, "");
}

/* One paragraph, filled to the width of the page, whose first line begins at column `at`; the others are indented. */
static void print_filled(FILE *out, const char *text, size_t len, int at, int indent)
{
	int column = at;
	const char *end = text + len;
	while (text < end) {
		int word = (int)strcspn(text, " \n");
		if (text + word > end)
			word = (int)(end - text);
		if (column > indent && column + 1 + word > COLUMNS) {
			fputc('\n', out);
			print_blanks(out, indent);
			column = indent;
		} else if (column > indent) {
			fputc(' ', out);
			column++;
		}
		fprintf(out, "%.*s", word, text);
		column += word;
		text += word + 1;
	}
	fputc('\n', out);
}

void help_paragraphs(FILE *out, const char *text)
{
	while (*text) {
		const char *end = strstr(text, "\n\n");
		size_t len = end ? (size_t)(end - text) : strlen(text);
		fputc('\n', out);
		print_filled(out, text, len, 0, 0);
		text += end ? len + 2 : len;
	}
}

/* A term, and its explanation on the lines below or behind it. */
static void print_term(FILE *out, const char *text, int at)
{
	if (at >= TEXT_COLUMN) {
		fputc('\n', out);
		at = 0;
	}
	print_blanks(out, TEXT_COLUMN - at);
	print_filled(out, text, strlen(text), TEXT_COLUMN, TEXT_COLUMN);
}

static void print_option(FILE *out, const struct option_spec *spec)
{
	print_blanks(out, INDENT);
	if (spec->letter)
		fprintf(out, "-%c, ", spec->letter);
	fprintf(out, "--%s%s%s", spec->name, spec->argument ? " " : "", spec->argument ? spec->argument : "");
	print_term(out, spec->text, COLUMNS);
	if (!spec->fallback)
		return;
	print_blanks(out, TEXT_COLUMN);
	fprintf(out, "Default:");
	print_filled(out, spec->fallback, strlen(spec->fallback), TEXT_COLUMN + 8, TEXT_COLUMN);
}

void help_options(FILE *out, const char *heading, const struct option_spec *specs)
{
	if (!specs->name)
		return;
	fprintf(out, "\n%s:\n", heading);
	for (; specs->name; specs++)
		print_option(out, specs);
}

void help_examples(FILE *out, const struct example *examples)
{
	fprintf(out, "\nExamples:\n");
	for (; examples->text; examples++) {
		print_blanks(out, INDENT);
		print_filled(out, examples->text, strlen(examples->text), INDENT, INDENT);
		fprintf(out, "      %s\n", examples->command);
	}
}

void help_statuses(FILE *out, const struct status_spec *statuses)
{
	fprintf(out, "\nExit status:\n");
	for (; statuses->text; statuses++) {
		fprintf(out, "  %-6d", statuses->status);
		print_term(out, statuses->text, INDENT + 6);
	}
}

void help_places(FILE *out, const char *heading, const struct place_spec *places)
{
	fprintf(out, "\n%s:\n", heading);
	for (; places->name; places++) {
		fprintf(out, "  %s", places->name);
		print_term(out, places->text, COLUMNS);
	}
}
