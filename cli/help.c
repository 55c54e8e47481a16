/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <string.h>

#include "cli/verb.h"

enum { COLUMNS = 80, INDENT = 2, TEXT_COLUMN = 10 };

void help_statuses(const struct verb *verb, struct status_spec ret[STATUSES_MAX])
{
	size_t n = 0;
	const char *attention = verb ? verb->attention : "done, but a person should read why";
	const char *damage = verb ? verb->damage : "damage was found";
	ret[n++] = (struct status_spec){1, "failed; nothing was changed beyond what is said"};
	ret[n++] = (struct status_spec){2, "wrong usage"};
	if (attention)
		ret[n++] = (struct status_spec){3, attention};
	if (damage)
		ret[n++] = (struct status_spec){4, damage};
	ret[n++] = (struct status_spec){130, "interrupted"};
	ret[n] = (struct status_spec){0};
}

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

static void print_paragraphs(FILE *out, const char *text)
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

static void print_options(FILE *out, const char *heading, const struct option_spec *specs)
{
	if (!specs->name)
		return;
	fprintf(out, "\n%s:\n", heading);
	for (; specs->name; specs++)
		print_option(out, specs);
}

static void print_examples(FILE *out, const struct example *examples)
{
	fprintf(out, "\nExamples:\n");
	for (; examples->text; examples++) {
		print_blanks(out, INDENT);
		print_filled(out, examples->text, strlen(examples->text), INDENT, INDENT);
		fprintf(out, "      %s\n", examples->command);
	}
}

static void print_statuses(FILE *out, const struct verb *verb)
{
	struct status_spec statuses[STATUSES_MAX];
	help_statuses(verb, statuses);
	fprintf(out, "\nExit status:\n  %-6d", 0);
	print_term(out, "done", INDENT + 6);
	for (const struct status_spec *status = statuses; status->status; status++) {
		fprintf(out, "  %-6d", status->status);
		print_term(out, status->text, INDENT + 6);
	}
}

static void print_places(FILE *out, const char *heading, const struct place_spec *places)
{
	fprintf(out, "\n%s:\n", heading);
	for (; places->name; places++) {
		fprintf(out, "  %s", places->name);
		print_term(out, places->text, COLUMNS);
	}
}

static void print_verb(FILE *out, const struct verb *verb)
{
	fprintf(out, "salvor %s - %s\n\nUsage:\n", verb->name, verb->summary);
	for (size_t i = 0; i < VERB_SYNOPSES && verb->synopses[i]; i++)
		fprintf(out, "  salvor %s %s%s[OPTION ...]\n", verb->name, verb->synopses[i],
			verb->synopses[i][0] ? " " : "");
	print_paragraphs(out, verb->about);
	print_options(out, "Options", verb->options);
	fprintf(out, "\nOptions of all verbs, as --repo, --key and --json: see 'salvor --help'.\n");
	print_examples(out, verb->examples);
	print_statuses(out, verb);
}

static void print_program(FILE *out)
{
	fprintf(out, "salvor - backup and recovery of virtual machines\n\nUsage:\n  salvor VERB [OPERAND ...] [OPTION "
		     "...]\n\nVerbs:\n");
	for (const struct verb *const *verb = verbs; *verb; verb++)
		fprintf(out, "  %-10s%s\n", (*verb)->name, (*verb)->summary);
	fprintf(out, "\n'salvor help VERB' explains one of them.\n");
	print_paragraphs(out, global_about);
	print_options(out, "Options", global_options);
	print_places(out, "Environment", global_environment);
	print_places(out, "Files", global_files);
	print_statuses(out, NULL);
}

void help_print(const struct verb *verb, FILE *out)
{
	if (verb)
		print_verb(out, verb);
	else
		print_program(out);
}
