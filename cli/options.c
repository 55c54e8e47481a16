/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words before the verb are parsed with the table of global options, those behind it with the verb's and the global
 * ones.
 */
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"
#include "base/option_parse.h"
#include "cli/verb.h"

#define HINT_SIZE 64

static bool refuse_verb(const char *name, struct err **errp)
{
	struct nearest nearest;
	nearest_init(&nearest, name);
	for (const struct verb *const *verb = verbs; *verb; verb++)
		nearest_offer(&nearest, (*verb)->name);
	if (nearest.best)
		return err_set(errp, ERR_USAGE, "unknown verb '%s': did you mean '%s'?", name, nearest.best);
	return err_set(errp, ERR_USAGE, "unknown verb '%s': 'salvor --help' lists all", name);
}

static bool check_operands(const struct options *options, struct err **errp)
{
	const struct verb *verb = options->verb;
	if (options->help || options->version ||
	    (options->operands.n >= verb->min_operands && options->operands.n <= verb->max_operands))
		return true;
	const char *second = verb->synopses[1];
	return err_set(errp, ERR_USAGE, "usage: salvor %s %s%s%s%s%s", verb->name, verb->synopses[0],
		       second ? ", or: salvor " : "", second ? verb->name : "", second ? " " : "",
		       second ? second : "");
}

/* The words from the verb on, which were the operands of the words before it. */
static bool parse_verb(struct options *options, struct err **errp)
{
	AUTO(text_list_release) struct text_list words = options->operands;
	options->operands = (struct text_list){0};
	options->verb = verb_find(words.items[0]);
	if (!options->verb)
		return refuse_verb(words.items[0], errp);
	char hint[HINT_SIZE];
	snprintf(hint, sizeof(hint), "'salvor %s --help' lists all", options->verb->name);
	const struct option_parse parse = {.tables = {options->verb->options, global_options},
					   .options = options,
					   .operands = &options->operands,
					   .owned = &options->owned,
					   .hint = hint};
	return option_parse(&parse, (int)words.n, words.items, errp) && check_operands(options, errp);
}

bool options_parse(int argc, char **argv, struct options *ret, struct err **errp)
{
	*ret = (struct options){0};
	const struct option_parse parse = {
		.tables = {global_options},
		.options = ret,
		.operands = &ret->operands,
		.owned = &ret->owned,
		.operands_end_options = true,
		.hint = "'salvor --help' lists what stands before the verb; the options of a verb stand behind it"};
	if (!option_parse(&parse, argc, (const char **)argv, errp))
		return false;
	if (ret->operands.n > 0)
		return parse_verb(ret, errp);
	if (ret->help || ret->version)
		return true;
	return err_set(errp, ERR_USAGE, "what is to be done? 'salvor --help' lists the verbs");
}

void options_release(struct options *options)
{
	text_list_release_owned(&options->owned);
	text_list_release(&options->operands);
	text_list_release(&options->disks);
	text_list_release(&options->taps);
	text_list_release(&options->passts);
	*options = (struct options){0};
}

bool options_want_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}
