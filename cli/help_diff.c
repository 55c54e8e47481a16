/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "ranges",
	 .kind = OPTION_FLAG,
	 .text = "list the ranges instead of totals: stream, offset and length in bytes, a line each",
	 .offset = offsetof(struct options, ranges)},
	{0},
};

static const struct example examples[] = {
	{"How much a machine wrote between two nights:", "salvor diff web01@2026-11-21 web01@2026-11-22"},
	{"Where two machines from one image differ:", "salvor diff web01@latest web02@latest --ranges"},
	{0},
};

const struct verb verb_diff = {
	.name = "diff",
	.summary = "say what differs between two recovery points",
	.synopses = {"POINT POINT"},
	.min_operands = 2,
	.max_operands = 2,
	.names = NAMES_POINTS,
	.about = "Compares the streams of two points by their names: which were added, removed or resized, and where "
		 "the others differ. The points may be of different workloads.\n\n"
		 "Only the structure of the points is read, and of that only what differs, so it is quick, and a key "
		 "that cannot read contents will do. Ranges are of whole chunks of mostly 64 KiB: what differs lies in "
		 "them, but not every byte of them differs.",
	.options = options,
	.examples = examples,
	.attention = "done, but a commit that may be of a newer point cannot be read, or has vanished",
	.damage = "the structure of a point is damaged",
};
