/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages in mdoc(7). */
#include <ctype.h>
#include <string.h>

#include "cli/help.h"
#include "cli/verb.h"

#define MAN_DATE "November 22, 2026"

enum { LINE_MAX_WIDTH = 78 };

static void print_escaped(FILE *out, const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (word[i] == '\\')
			fputs("\\e", out);
		else if (word[i] == '-')
			fputs("\\-", out);
		else
			fputc(word[i], out);
	}
}

/* mdoc wants a new sentence to begin on a new line. */
static bool ends_sentence(const char *word, size_t len, char next)
{
	return len > 1 && strchr(".?!", word[len - 1]) && isupper((unsigned char)next);
}

/* A dot or an apostrophe there would make it a macro. */
static bool may_begin_line(const char *word)
{
	return word[0] != '.' && word[0] != '\'';
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
	while (text < end) {
		size_t word = strcspn(text, " \n");
		if (word > (size_t)(end - text))
			word = (size_t)(end - text);
		print_escaped(out, text, word);
		column += word + 1;
		const char *next = text + word + 1;
		size_t coming = next < end ? unbroken(next, end) : 0;
		bool break_line = next >= end || ends_sentence(text, word, *next) ||
				  (column + coming > LINE_MAX_WIDTH && may_begin_line(next));
		fputc(break_line ? '\n' : ' ', out);
		column = break_line ? 0 : column;
		text = next;
	}
}

static void print_line(FILE *out, const char *text)
{
	print_text(out, text, strlen(text));
}

static void print_paragraphs(FILE *out, const char *text)
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
	print_line(out, spec->text);
	if (spec->fallback) {
		fputs(".br\nDefault: ", out);
		print_line(out, spec->fallback);
	}
}

static void print_options(FILE *out, const struct option_spec *specs)
{
	if (!specs->name)
		return;
	fputs(".Pp\nThe options are:\n.Bl -tag -width Ds\n", out);
	for (; specs->name; specs++)
		print_option(out, specs);
	fputs(".El\n", out);
}

static void print_places(FILE *out, const char *heading, const char *macro, const struct place_spec *places)
{
	fprintf(out, ".Sh %s\n.Bl -tag -width Ds\n", heading);
	for (; places->name; places++) {
		fprintf(out, ".It %s %s\n", macro, places->name);
		print_line(out, places->text);
	}
	fputs(".El\n", out);
}

static void print_statuses(FILE *out, const struct verb *verb)
{
	struct status_spec statuses[STATUSES_MAX];
	help_statuses(verb, statuses);
	fputs(".Sh EXIT STATUS\n.Bl -tag -width Ds\n.It 0\ndone\n", out);
	for (const struct status_spec *status = statuses; status->status; status++) {
		fprintf(out, ".It %d\n", status->status);
		print_line(out, status->text);
	}
	fputs(".El\n", out);
}

static void print_examples(FILE *out, const struct example *examples)
{
	fputs(".Sh EXAMPLES\n", out);
	for (const struct example *example = examples; example->text; example++) {
		if (example != examples)
			fputs(".Pp\n", out);
		print_line(out, example->text);
		fputs(".Pp\n.Dl ", out);
		print_line(out, example->command);
	}
}

static void print_head(FILE *out, const char *title, const char *dash, const char *name, const char *summary)
{
	fprintf(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n.Dd %s\n.Dt SALVOR%s", MAN_DATE, dash);
	for (; *title; title++)
		fputc(toupper((unsigned char)*title), out);
	fprintf(out, " 1\n.Os\n.Sh NAME\n.Nm salvor%s%s\n.Nd %s\n.Sh SYNOPSIS\n", dash, name, summary);
}

static void print_verb(FILE *out, const struct verb *verb)
{
	print_head(out, verb->name, "-", verb->name, verb->summary);
	for (size_t i = 0; i < VERB_SYNOPSES && verb->synopses[i]; i++) {
		fprintf(out, ".Nm salvor %s\n", verb->name);
		if (verb->synopses[i][0])
			print_line(out, verb->synopses[i]);
		fputs(".Op Ar option ...\n", out);
	}
	fputs(".Sh DESCRIPTION\n", out);
	print_paragraphs(out, verb->about);
	print_options(out, verb->options);
	fputs(".Pp\nThe options of all verbs are in\n.Xr salvor 1 .\n", out);
	print_statuses(out, verb);
	print_examples(out, verb->examples);
	fputs(".Sh SEE ALSO\n.Xr salvor 1\n", out);
}

static void print_program(FILE *out)
{
	print_head(out, "", "", "", "backup and recovery of virtual machines");
	fputs(".Nm salvor\n.Ar verb\n.Op Ar operand ...\n.Op Ar option ...\n.Sh DESCRIPTION\n", out);
	print_paragraphs(out, global_about);
	fputs(".Pp\nThe verbs are:\n.Bl -tag -width restore\n", out);
	for (const struct verb *const *verb = verbs; *verb; verb++)
		fprintf(out, ".It Cm %s\n%s, see\n.Xr salvor-%s 1\n", (*verb)->name, (*verb)->summary, (*verb)->name);
	fputs(".El\n", out);
	print_options(out, global_options);
	print_places(out, "ENVIRONMENT", "Ev", global_environment);
	print_places(out, "FILES", "Pa", global_files);
	print_statuses(out, NULL);
}

void man_print(const struct verb *verb, FILE *out)
{
	if (verb)
		print_verb(out, verb);
	else
		print_program(out);
}
