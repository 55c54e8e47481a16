/* SPDX-License-Identifier: Apache-2.0 */
/* popt gives an option's place, counted over the tables; where its value goes is in the option's spec. */
#include "base/option_parse.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <popt.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/manual.h"
#include "base/nearest.h"
#include "base/text_list.h"

enum { OPTIONS_MAX = 32 };

struct reader {
	const struct option_parse *parse;
	const struct option_spec *specs[OPTIONS_MAX];
	struct poptOption table[OPTIONS_MAX + 1]; /* popt's value of an option is its place here, counted from 1 */
	size_t n;
};

static void popt_freep(poptContext *popt)
{
	*popt = poptFreeContext(*popt);
}

static void add_table(struct reader *reader, const struct option_spec *specs)
{
	for (; specs->name; specs++) {
		assert(reader->n < OPTIONS_MAX);
		reader->specs[reader->n] = specs;
		reader->table[reader->n] = (struct poptOption){
			.longName = specs->name,
			.shortName = specs->letter,
			.argInfo = specs->argument ? POPT_ARG_STRING : POPT_ARG_NONE,
			.val = (int)reader->n + 1,
		};
		reader->n++;
	}
}

static bool parse_number(const char *name, const char *text, int *ret, struct err **errp)
{
	char *end;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (end == text || *end || errno != 0 || number < 0 || number > INT_MAX)
		return err_set(errp, ERR_USAGE, "--%s '%s' is not a number of 0 or more", name, text);
	*ret = (int)number;
	return true;
}

/* As it is spoken: a URL, an INTERFACE, an N. */
static const char *article(const char *argument)
{
	return strchr("AEIO", argument[0]) || strcmp(argument, "N") == 0 ? "an" : "a";
}

/* Takes over value, which is NULL where the option takes none. */
static bool store(const struct option_parse *parse, const struct option_spec *spec, char *value, struct err **errp)
{
	void *place = (char *)parse->options + spec->offset;
	if (spec->argument && !text_list_own(parse->owned, value, errp))
		return false;
	if (spec->argument && !*value)
		return err_set(errp, ERR_USAGE, "--%s needs %s %s that is not empty", spec->name,
			       article(spec->argument), spec->argument);
	switch (spec->kind) {
	case OPTION_FLAG:
	case OPTION_QUESTION:
		*(bool *)place = true;
		break;
	case OPTION_TEXT:
		*(const char **)place = value;
		break;
	case OPTION_LIST:
		return text_list_append(place, value, errp);
	case OPTION_NUMBER:
		return parse_number(spec->name, value, place, errp);
	}
	return true;
}

static bool refuse_unknown(const struct reader *reader, const char *word, struct err **errp)
{
	struct nearest nearest;
	nearest_init(&nearest, word + strspn(word, "-"));
	for (size_t i = 0; i < reader->n; i++)
		nearest_offer(&nearest, reader->specs[i]->name);
	const char *hint = reader->parse->hint;
	if (nearest.best)
		return err_set(errp, ERR_USAGE, "unknown option '%s': did you mean '--%s'? %s", word, nearest.best,
			       hint);
	return err_set(errp, ERR_USAGE, "unknown option '%s': %s", word, hint);
}

static bool refuse_word(const struct reader *reader, poptContext popt, int reason, struct err **errp)
{
	const char *full = poptBadOption(popt, POPT_BADOPTION_NOALIAS);
	AUTO(freep) char *word = strndup(full, strcspn(full, "="));
	if (!word)
		return err_set_no_memory(errp);
	switch (reason) {
	case POPT_ERROR_BADOPT:
		return refuse_unknown(reader, word, errp);
	case POPT_ERROR_NOARG:
		return err_set(errp, ERR_USAGE, "option '%s' needs a value", word);
	case POPT_ERROR_UNWANTEDARG:
		return err_set(errp, ERR_USAGE, "option '%s' takes no value", word);
	default:
		return err_set(errp, ERR_USAGE, "option '%s': %s", word, poptStrerror(reason));
	}
}

static bool read_option(const struct reader *reader, poptContext popt, int place, struct err **errp)
{
	if (place < 0)
		return refuse_word(reader, popt, place, errp);
	return store(reader->parse, reader->specs[place - 1], poptGetOptArg(popt), errp);
}

/* A question may stand behind what is wrong, so all are read. The first failure counts. */
static bool read_options(const struct reader *reader, poptContext popt, struct err **errp)
{
	bool ok = true;
	int place;
	while ((place = poptGetNextOpt(popt)) != -1) {
		AUTO(err_freep) struct err *failure = NULL;
		if (!read_option(reader, popt, place, &failure) && ok)
			ok = err_move(errp, &failure);
	}
	return ok;
}

static bool is_asked(const struct reader *reader)
{
	for (size_t i = 0; i < reader->n; i++) {
		const struct option_spec *spec = reader->specs[i];
		if (spec->kind == OPTION_QUESTION &&
		    *(const bool *)((const char *)reader->parse->options + spec->offset))
			return true;
	}
	return false;
}

static bool take_operands(const struct option_parse *parse, poptContext popt, struct err **errp)
{
	const char *operand;
	while ((operand = poptGetArg(popt))) {
		char *copy = strdup(operand);
		if (!text_list_own(parse->owned, copy, errp) || !text_list_append(parse->operands, copy, errp))
			return false;
	}
	return true;
}

bool option_parse(const struct option_parse *parse, int n, const char **words, struct err **errp)
{
	struct reader reader = {.parse = parse};
	for (size_t i = 0; i < OPTION_TABLES && parse->tables[i]; i++)
		add_table(&reader, parse->tables[i]);
	unsigned flags = parse->operands_end_options ? POPT_CONTEXT_POSIXMEHARDER : 0;
	AUTO(popt_freep) poptContext popt = poptGetContext(NULL, n, words, reader.table, flags);
	if (!popt)
		return err_set_no_memory(errp);
	AUTO(err_freep) struct err *failure = NULL;
	if (!read_options(&reader, popt, &failure) && !(err_code(failure) == ERR_USAGE && is_asked(&reader)))
		return err_move(errp, &failure);
	return take_operands(parse, popt, errp);
}
