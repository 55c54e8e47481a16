/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {{0}};

static const struct example examples[] = {
	{"The newest point of a workload:", "salvor show web01@latest"},
	{"The point that stood on that evening:", "salvor show web01@2026-11-22T19:00"},
	{0},
};

const struct verb verb_show = {
	.name = "show",
	.summary = "show one recovery point",
	.synopses = {"POINT"},
	.min_operands = 1,
	.max_operands = 1,
	.names = NAMES_POINTS,
	.about = "Shows when and how a point was made, and its streams: disks, firmware variables and the machine's "
		 "definition, with their sizes. The root of a stream stands for its whole content: streams with the "
		 "same root are the same. Says how the last scrub from this machine found the point: which streams are "
		 "hurt, and by which objects. With a key that may read, says what came of its newest verification.",
	.options = options,
	.examples = examples,
	.attention = "done, but a commit that may be of a newer point cannot be read, or has vanished",
	.damage = "the point is damaged",
};
