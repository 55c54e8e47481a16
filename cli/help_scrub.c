/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {{0}};

static const struct example examples[] = {
	{"Once a month, by cron, with the recovery key or a host's:",
	 "salvor scrub --quiet --key /etc/salvor/host.key"},
	{0},
};

const struct verb verb_scrub = {
	.name = "scrub",
	.summary = "look for damage in the repository",
	.synopses = {""},
	.about = "Reads every object of the repository and checks it: signatures, checksums, that every pack which a "
		 "point needs is there, and that every point's tree is whole. Damage is listed with the points that it "
		 "hurts. Nothing is changed.",
	.options = options,
	.examples = examples,
	.damage = "damage was found, and is listed",
};
