/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"
#include "cli/verb.h"

static const char start[] = "# SPDX-License-Identifier: Apache-2.0\n"
			    "# shellcheck shell=bash\n"
			    "# Completion of salvor for bash; made from the tables of its verbs.\n\n";

/*
 * A function for each NAMES_…, by its name. Names are asked of salvor itself, and only where it has to ask nobody:
 * those of a repository only where that is a folder, and the key or the passphrase is at hand. compgen expands its
 * words as the shell does, so a name with anything in it but what is let through here is not offered. Nobody sees what
 * a repository is warned of here, so memory has no part in it: some warnings come once.
 */
static const char names[] =
	"_salvor_ask() { [[ $current == -* ]] || \"${COMP_WORDS[0]}\" \"$@\" 2>/dev/null </dev/null; }\n\n"
	"_salvor_machines() { _salvor_ask vm list | sed -nE '2,$s/^([[:alnum:]._-]+) .*/\\1/p'; }\n\n"
	"_salvor_ask_points() { SALVOR_STATE_DIR=/dev/null _salvor_ask points; }\n\n"
	"_salvor_may_ask()\n"
	"{\n"
	"\t[[ -d ${SALVOR_REPO:-} && \" ${COMP_WORDS[*]} \" != *\" --\"@(repo|key)[\\ =]* ]] ||\n"
	"\t\treturn\n"
	"\tif [[ -n ${SALVOR_KEY_FILE:-} ]]; then\n"
	"\t\t[[ -f $SALVOR_KEY_FILE ]]\n"
	"\telif [[ -n ${SALVOR_PASSPHRASE_FILE+said} ]]; then\n"
	"\t\t[[ -f $SALVOR_PASSPHRASE_FILE ]]\n"
	"\telse\n"
	"\t\t[[ -n ${SALVOR_PASSPHRASE:-} ]]\n"
	"\tfi\n"
	"}\n\n"
	"_salvor_workloads()\n"
	"{\n"
	"\t_salvor_may_ask && _salvor_ask_points |\n"
	"\t\tsed -nE 's/^[[:xdigit:]]{12}  ([[:alnum:]._-]+)  .*/\\1/p' | sort -u\n"
	"}\n\n"
	"# A workload is its newest point. Ids are for whoever has begun one.\n"
	"_salvor_points()\n"
	"{\n"
	"\tif [[ $current == @* ]]; then\n"
	"\t\techo @latest\n"
	"\telif [[ $current == +([[:xdigit:]]) ]]; then\n"
	"\t\t_salvor_may_ask && _salvor_ask_points |\n"
	"\t\t\tsed -nE 's/^([[:xdigit:]]{12})  (([[:alnum:]._-]+)  )?.*/\\1 \\3/p' |\n"
	"\t\t\ttr ' ' '\\n' | sort -u\n"
	"\telse\n"
	"\t\t_salvor_workloads\n"
	"\tfi\n"
	"}\n\n";

static const char head[] =
	"_salvor()\n"
	"{\n"
	"\tlocal current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb='' operand='' i\n"
	"\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	"\t\tcase ${COMP_WORDS[i]} in\n";

static const char middle[] = "\t\tesac\n"
			     "\tdone\n"
			     "\t((i + 1 >= COMP_CWORD)) || operand=${COMP_WORDS[i + 1]}\n"
			     "\t# The shell splits words there, and replaces the sign with what is offered.\n"
			     "\t[[ $previous != @ ]] || current=@$current\n"
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
		if (!specs->argument)
			continue;
		fprintf(out, "\t%s:--%s) ", pattern, specs->name);
		if (specs->completion == COMPLETE_WORDS)
			fprintf(out, "mapfile -t COMPREPLY < <(compgen -W '%s' -- \"$current\"); ", specs->words);
		else if (specs->completion == COMPLETE_FOLDER)
			fputs("mapfile -t COMPREPLY < <(compgen -d -- \"$current\"); ", out);
		else if (specs->completion == COMPLETE_NAMES)
			fprintf(out, "mapfile -t COMPREPLY < <(compgen -W \"$(_salvor_%s)\" -- \"$current\"); ",
				specs->words);
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

static void print_names(FILE *out, const struct verb *verb)
{
	if (!verb->names)
		return;
	fputs("\n\t\t", out);
	if (verb->named_words)
		fprintf(out, "[[ ' %s ' != *\" $operand \"* ]] || ", verb->named_words);
	fprintf(out, "words=$(_salvor_%s)", verb->names);
}

static void print_words(FILE *out, const struct verb *verb)
{
	fprintf(out, "\t%s)\n\t\toptions+='", verb->name);
	print_option_names(out, verb->options);
	fputc('\'', out);
	if (verb->operand_words)
		fprintf(out, "\n\t\t[[ -n $operand ]] || words='%s'", verb->operand_words);
	if (verb == &verb_help) {
		fputs("\n\t\twords='", out);
		print_verb_names(out, " ");
		fputc('\'', out);
	}
	print_names(out, verb);
	fputs("\n\t\t;;\n", out);
}

void completion_print(FILE *out)
{
	fputs(start, out);
	fputs(names, out);
	fputs(head, out);
	fputs("\t\t", out);
	print_verb_names(out, " | ");
	fputs(") verb=${COMP_WORDS[i]} && break ;;\n", out);
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
