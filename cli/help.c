/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include "cli/verb.h"

void verb_statuses(const struct verb *verb, struct status_spec ret[STATUSES_MAX])
{
	size_t n = 0;
	const char *attention = verb ? verb->attention : "done, but a person should read why";
	const char *damage = verb ? verb->damage : "damage was found";
	ret[n++] = (struct status_spec){0, "done"};
	ret[n++] = (struct status_spec){1, "failed; nothing was changed beyond what is said"};
	ret[n++] = (struct status_spec){2, "wrong usage"};
	if (attention)
		ret[n++] = (struct status_spec){3, attention};
	if (damage)
		ret[n++] = (struct status_spec){4, damage};
	ret[n++] = (struct status_spec){130, "interrupted"};
	ret[n] = (struct status_spec){0};
}

static void print_statuses(FILE *out, const struct verb *verb)
{
	struct status_spec statuses[STATUSES_MAX];
	verb_statuses(verb, statuses);
	help_statuses(out, statuses);
}

static void print_verb(FILE *out, const struct verb *verb)
{
	fprintf(out, "salvor %s - %s\n\nUsage:\n", verb->name, verb->summary);
	for (size_t i = 0; i < VERB_SYNOPSES && verb->synopses[i]; i++)
		fprintf(out, "  salvor %s %s%s[OPTION ...]\n", verb->name, verb->synopses[i],
			verb->synopses[i][0] ? " " : "");
	help_paragraphs(out, verb->about);
	help_options(out, "Options", verb->options);
	fprintf(out, "\nOptions of all verbs, as --repo, --key and --json: see 'salvor --help'.\n");
	help_examples(out, verb->examples);
	print_statuses(out, verb);
}

static void print_program(FILE *out)
{
	fprintf(out, "salvor - backup and recovery of virtual machines\n\nUsage:\n  salvor VERB [OPERAND ...] [OPTION "
		     "...]\n\nVerbs:\n");
	for (const struct verb *const *verb = verbs; *verb; verb++)
		fprintf(out, "  %-10s%s\n", (*verb)->name, (*verb)->summary);
	fprintf(out, "\n'salvor help VERB' explains one of them.\n");
	help_paragraphs(out, global_about);
	help_options(out, "Options", global_options);
	help_places(out, "Environment", global_environment);
	help_places(out, "Files", global_files);
	print_statuses(out, NULL);
}

void help_print(const struct verb *verb, FILE *out)
{
	if (verb)
		print_verb(out, verb);
	else
		print_program(out);
}
