/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The words before the verb are parsed with the table of global options, those behind it with the verb's and the global
 * ones. popt gives the option's place in the table; where its value goes is in the option's spec.
 */
#include "cli/options.h"

#include <assert.h>
#include <popt.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "cli/nearest.h"
#include "cli/verb.h"

enum { OPTIONS_MAX = 32 };

struct parser {
	const struct verb *verb; /* NULL before it is known */
	const struct option_spec *specs[OPTIONS_MAX];
	struct poptOption table[OPTIONS_MAX + 1]; /* popt's value of an option is its place here, counted from 1 */
	size_t n;
};

static void popt_freep(poptContext *popt)
{
	*popt = poptFreeContext(*popt);
}

static bool list_append(struct text_list *list, const char *text, struct err **errp)
{
	const char **items = reallocarray(list->items, list->n + 1, sizeof(*items));
	if (!items)
		return err_set_no_memory(errp);
	items[list->n++] = text;
	list->items = items;
	return true;
}

/* Takes over text; NULL is lack of memory. */
static bool own(struct options *options, char *text, struct err **errp)
{
	if (!text)
		return err_set_no_memory(errp);
	if (list_append(&options->owned, text, errp))
		return true;
	free(text);
	return false;
}

static void parser_add(struct parser *parser, const struct option_spec *specs)
{
	for (; specs->name; specs++) {
		assert(parser->n < OPTIONS_MAX);
		parser->specs[parser->n] = specs;
		parser->table[parser->n] = (struct poptOption){
			.longName = specs->name,
			.shortName = specs->letter,
			.argInfo = specs->kind == OPTION_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
			.val = (int)parser->n + 1,
		};
		parser->n++;
	}
}

static void parser_init(struct parser *parser, const struct verb *verb)
{
	*parser = (struct parser){.verb = verb};
	if (verb)
		parser_add(parser, verb->options);
	parser_add(parser, global_options);
}

/* Takes over value, which is NULL for flags. */
static bool store(const struct option_spec *spec, char *value, struct options *ret, struct err **errp)
{
	void *place = (char *)ret + spec->offset;
	if (spec->kind == OPTION_FLAG) {
		*(bool *)place = true;
		return true;
	}
	if (!own(ret, value, errp))
		return false;
	if (value[0] == '\0')
		return err_set(errp, ERR_USAGE, "--%s needs a %s that is not empty", spec->name, spec->argument);
	if (spec->kind == OPTION_LIST)
		return list_append(place, value, errp);
	*(const char **)place = value;
	return true;
}

static const char *verb_name(const struct parser *parser)
{
	return parser->verb ? parser->verb->name : "";
}

static bool refuse_unknown(const struct parser *parser, const char *word, struct err **errp)
{
	struct nearest nearest;
	const char *name = word + strspn(word, "-");
	nearest_init(&nearest, name);
	for (size_t i = 0; i < parser->n; i++)
		nearest_offer(&nearest, parser->specs[i]->name);
	const char *blank = parser->verb ? " " : "";
	if (nearest.best)
		return err_set(errp, ERR_USAGE,
			       "unknown option '%s': did you mean '--%s'? 'salvor %s%s--help' lists all", word,
			       nearest.best, verb_name(parser), blank);
	if (!parser->verb)
		return err_set(errp, ERR_USAGE,
			       "unknown option '%s' before the verb; the options of a verb stand behind it", word);
	return err_set(errp, ERR_USAGE, "unknown option '%s': 'salvor %s --help' lists all", word, verb_name(parser));
}

static bool refuse_word(const struct parser *parser, poptContext popt, int reason, struct err **errp)
{
	const char *full = poptBadOption(popt, POPT_BADOPTION_NOALIAS);
	AUTO(freep) char *word = strndup(full, strcspn(full, "="));
	if (!word)
		return err_set_no_memory(errp);
	switch (reason) {
	case POPT_ERROR_BADOPT:
		return refuse_unknown(parser, word, errp);
	case POPT_ERROR_NOARG:
		return err_set(errp, ERR_USAGE, "option '%s' needs a value", word);
	case POPT_ERROR_UNWANTEDARG:
		return err_set(errp, ERR_USAGE, "option '%s' takes no value", word);
	default:
		return err_set(errp, ERR_USAGE, "option '%s': %s", word, poptStrerror(reason));
	}
}

static bool take_operands(poptContext popt, struct options *ret, struct err **errp)
{
	const char *operand;
	while ((operand = poptGetArg(popt))) {
		char *copy = strdup(operand);
		if (!own(ret, copy, errp) || !list_append(&ret->operands, copy, errp))
			return false;
	}
	return true;
}

/* words[0] is skipped, as the name of a program is. */
static bool parse_words(const struct parser *parser, int n, const char **words, unsigned flags, struct options *ret,
			struct err **errp)
{
	AUTO(popt_freep) poptContext popt = poptGetContext("salvor", n, words, parser->table, flags);
	if (!popt)
		return err_set_no_memory(errp);
	int place;
	while ((place = poptGetNextOpt(popt)) > 0)
		if (!store(parser->specs[place - 1], poptGetOptArg(popt), ret, errp))
			return false;
	if (place < -1)
		return refuse_word(parser, popt, place, errp);
	return take_operands(popt, ret, errp);
}

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
	if (options->help || (options->operands.n >= verb->min_operands && options->operands.n <= verb->max_operands))
		return true;
	const char *second = verb->synopses[1];
	return err_set(errp, ERR_USAGE, "usage: salvor %s %s%s%s%s%s", verb->name, verb->synopses[0],
		       second ? ", or: salvor " : "", second ? verb->name : "", second ? " " : "",
		       second ? second : "");
}

/* The words from the verb on, which were the operands of the words before it. */
static bool parse_verb(struct options *options, struct err **errp)
{
	struct text_list words = options->operands;
	options->operands = (struct text_list){0};
	AUTO(freep) const char **items = words.items;
	options->verb = verb_find(items[0]);
	if (!options->verb)
		return refuse_verb(items[0], errp);
	struct parser parser;
	parser_init(&parser, options->verb);
	return parse_words(&parser, (int)words.n, items, 0, options, errp) && check_operands(options, errp);
}

bool options_parse(int argc, char **argv, struct options *ret, struct err **errp)
{
	*ret = (struct options){0};
	struct parser parser;
	parser_init(&parser, NULL);
	if (!parse_words(&parser, argc, (const char **)argv, POPT_CONTEXT_POSIXMEHARDER, ret, errp))
		return false;
	if (ret->operands.n > 0)
		return parse_verb(ret, errp);
	if (ret->help || ret->version)
		return true;
	return err_set(errp, ERR_USAGE, "what is to be done? 'salvor --help' lists the verbs");
}

void options_release(struct options *options)
{
	for (size_t i = 0; i < options->owned.n; i++)
		free((char *)options->owned.items[i]);
	free(options->owned.items);
	free(options->operands.items);
	free(options->disks.items);
	free(options->taps.items);
	free(options->passts.items);
	*options = (struct options){0};
}

bool options_want_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}
