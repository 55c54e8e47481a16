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
	.about = "Shows for every workload its newest point and that point's age, how many points are hurt, the age of "
		 "the newest point that passed its verification and is not known to be hurt, when the last scrub of "
		 "each level from this machine ended, the newest session of every writer "
		 "(the heads, to be compared with what another machine or a sheet of paper says), and what needs a "
		 "person. Times are UTC.\n\n"
		 "Hurt is what scrubs from this machine found, until a scrub of that level finds otherwise; '?' before "
		 "the first one. Verifications from anywhere count.",
	.options = options,
	.examples = examples,
	.attention = "scrubs from here found something damaged, the newest verification of a workload failed, a point "
		     "that was there has vanished, or this machine lost its memory of the repository, which "
		     "makes that harder to notice",
	.damage = "a point could not be read",
};
