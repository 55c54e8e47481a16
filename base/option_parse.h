/* SPDX-License-Identifier: Apache-2.0 */
/* Reads the words of a command line into a program's struct, as its tables of options say (base/manual.h). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct err;
struct option_spec;
struct text_list;

#define OPTION_TABLES 2

struct option_parse {
	const struct option_spec *tables[OPTION_TABLES]; /* the second may be NULL */
	void *options;					 /* the struct that the specs' offsets are into */
	struct text_list *operands;			 /* all that is no option is appended */
	struct text_list *owned;			 /* every text of the two above is one of these */
	bool operands_end_options; /* what stands behind the first operand is an operand, though it looks otherwise */
	const char *hint;	   /* where all options are told, as "'salvor --help' lists all" */
};

/*
 * words[0] is skipped, as the name of a program is. ERR_USAGE in one sentence that names the first wrong word, and the
 * nearest that exists; what is right is stored. Where a question is among it, wrong words are no failure.
 */
NODISCARD bool option_parse(const struct option_parse *parse, int n, const char **words, struct err **errp);
