/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"
#include "cli/verb.h"

#define PAGE_NAME_SIZE 32

static void print_statuses(FILE *out, const struct verb *verb)
{
	struct status_spec statuses[STATUSES_MAX];
	verb_statuses(verb, statuses);
	mdoc_statuses(out, statuses);
}

static void print_verb(FILE *out, const struct verb *verb)
{
	char name[PAGE_NAME_SIZE];
	snprintf(name, sizeof(name), "salvor-%s", verb->name);
	mdoc_head(out, &(struct mdoc_head){.name = name, .section = 1, .summary = verb->summary});
	for (size_t i = 0; i < VERB_SYNOPSES && verb->synopses[i]; i++) {
		fprintf(out, ".Nm salvor %s\n", verb->name);
		if (verb->synopses[i][0])
			mdoc_line(out, verb->synopses[i]);
		fputs(".Op Ar option ...\n", out);
	}
	fputs(".Sh DESCRIPTION\n", out);
	mdoc_paragraphs(out, verb->about);
	mdoc_options(out, verb->options);
	fputs(".Pp\nThe options of all verbs are in\n.Xr salvor 1 .\n", out);
	print_statuses(out, verb);
	mdoc_examples(out, verb->examples);
	fprintf(out, ".Sh SEE ALSO\n.Xr salvor 1%s%s\n", verb->see_also ? " ,\n.Xr " : "",
		verb->see_also ? verb->see_also : "");
}

static void print_program(FILE *out)
{
	mdoc_head(out, &(struct mdoc_head){
			       .name = "salvor", .section = 1, .summary = "backup and recovery of virtual machines"});
	fputs(".Nm salvor\n.Ar verb\n.Op Ar operand ...\n.Op Ar option ...\n.Sh DESCRIPTION\n", out);
	mdoc_paragraphs(out, global_about);
	fputs(".Pp\nThe verbs are:\n.Bl -tag -width restore\n", out);
	for (const struct verb *const *verb = verbs; *verb; verb++)
		fprintf(out, ".It Cm %s\n%s, see\n.Xr salvor-%s 1\n", (*verb)->name, (*verb)->summary, (*verb)->name);
	fputs(".El\n", out);
	mdoc_options(out, global_options);
	mdoc_places(out, "ENVIRONMENT", "Ev", global_environment);
	mdoc_places(out, "FILES", "Pa", global_files);
	print_statuses(out, NULL);
}

void man_print(const struct verb *verb, FILE *out)
{
	if (verb)
		print_verb(out, verb);
	else
		print_program(out);
}
