/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"
#include "cli/verb.h"

static const char head[] =
	"# SPDX-License-Identifier: Apache-2.0\n"
	"# shellcheck shell=bash\n"
	"# Completion of salvor for bash; made from the tables of its verbs.\n\n"
	"_salvor()\n"
	"{\n"
	"\tlocal current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' word\n"
	"\tfor word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
	"\t\tcase $word in\n";

static const char middle[] = "\t\tesac\n"
			     "\tdone\n"
			     "\tcompopt -o default 2>/dev/null\n"
			     "\tCOMPREPLY=()\n"
			     "\tcase $verb:$previous in\n";

static const char tail[] = "\tesac\n"
			   "\t[[ $current == -* ]] && words=$options\n"
			   "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
			   "}\n\n"
			   "complete -F _salvor salvor\n";

static void print_verb_names(FILE *out, const char *separator)
{
	for (const struct verb *const *verb = verbs; *verb; verb++)
		fprintf(out, "%s%s", verb == verbs ? "" : separator, (*verb)->name);
}

/* `pattern` is the verb, or * for all. Files are what the shell offers by itself. */
static void print_values(FILE *out, const char *pattern, const struct option_spec *specs)
{
	for (; specs->name; specs++) {
		if (specs->kind == OPTION_FLAG)
			continue;
		fprintf(out, "\t%s:--%s) ", pattern, specs->name);
		if (specs->completion == COMPLETE_WORDS)
			fprintf(out, "mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$current\"); ", specs->words);
		else if (specs->completion == COMPLETE_FOLDER)
			fputs("mapfile -t COMPREPLY < <(compgen -d -- \"$current\"); ", out);
		else if (specs->completion == COMPLETE_NOTHING)
			fputs("compopt +o default 2>/dev/null; ", out);
		fputs("return ;;\n", out);
	}
}

static void print_option_names(FILE *out, const struct option_spec *specs)
{
	for (; specs->name; specs++) {
		if (specs->letter)
			fprintf(out, " -%c", specs->letter);
		fprintf(out, " --%s", specs->name);
	}
}

static void print_words(FILE *out, const struct verb *verb)
{
	fprintf(out, "\t%s) options+='", verb->name);
	print_option_names(out, verb->options);
	fprintf(out, "' words='%s", verb->operand_words ? verb->operand_words : "");
	if (verb == &verb_help)
		print_verb_names(out, " ");
	fputs("' ;;\n", out);
}

void completion_print(FILE *out)
{
	fputs(head, out);
	fputs("\t\t", out);
	print_verb_names(out, " | ");
	fputs(") verb=$word && break ;;\n", out);
	fputs(middle, out);
	for (const struct verb *const *verb = verbs; *verb; verb++)
		print_values(out, (*verb)->name, (*verb)->options);
	print_values(out, "*", global_options);
	fputs("\tesac\n\tlocal words='' options='", out);
	print_option_names(out, global_options);
	fputs("'\n\tcase $verb in\n\t'') words='", out);
	print_verb_names(out, " ");
	fputs("' ;;\n", out);
	for (const struct verb *const *verb = verbs; *verb; verb++)
		print_words(out, *verb);
	fputs(tail, out);
}
