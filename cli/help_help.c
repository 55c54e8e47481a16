/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {{0}};

static const struct example examples[] = {
	{"How to bring a machine back:", "salvor help restore"},
	{0},
};

const struct verb verb_help = {
	.name = "help",
	.summary = "explain a verb",
	.synopses = {"[VERB]"},
	.max_operands = 1,
	.about = "Explains a verb with its options and examples, or lists the verbs. The same texts are the manual "
		 "pages.",
	.options = options,
	.examples = examples,
};
