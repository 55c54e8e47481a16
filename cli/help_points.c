/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {{0}};

static const struct example examples[] = {
	{"All points of one workload, newest first:", "salvor points web01"},
	{"The id of the newest one, for a script:", "salvor points web01 --json | jq --raw-output '.points[0].id'"},
	{0},
};

const struct verb verb_points = {
	.name = "points",
	.summary = "list recovery points",
	.synopses = {"[WORKLOAD]"},
	.max_operands = 1,
	.names = NAMES_WORKLOADS,
	.about =
		"Lists the recovery points of one workload or of all, newest first. Times are UTC.\n\n"
		"SCRUBBED says how the last scrub from this machine found a point: whole, hurt, or that it may be "
		"hurt, where the key that scrubbed could not look into damaged packs; '-' where none has looked at it. "
		"VERIFIED says what came of its newest verification; '?' for a key that may not read.",
	.options = options,
	.examples = examples,
	.attention = "a point that was there has vanished: its writer's next point names it, or it was seen from here",
	.damage = "a point could not be read; the others are listed",
};
