/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {{0}};

static const struct example examples[] = {
	{"What is protected, and how old it is:", "salvor status"},
	{0},
};

const struct verb verb_status = {
	.name = "status",
	.summary = "show what is protected, and what needs a person",
	.synopses = {""},
	.about = "Shows for every workload its newest point and that point's age, the age of the newest point that a "
		 "verification passed, the newest session of every writer "
		 "(the heads, to be compared with what another machine or a sheet of paper says), and what needs a "
		 "person. Times are UTC.",
	.options = options,
	.examples = examples,
	.attention = "a point that was there has vanished, or this machine lost its memory of the repository, which "
		     "makes that harder to notice",
	.damage = "a point could not be read",
};
