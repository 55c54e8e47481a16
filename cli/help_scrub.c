/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "level",
	 .kind = OPTION_TEXT,
	 .argument = "LEVEL",
	 .fallback = "digests",
	 .text = "sizes: packs are there, and as long as they must be; digests: their SHA-256 too, and the trees of "
		 "all "
		 "points; contents: every stored chunk is opened too, which takes a key that may read",
	 .completion = COMPLETE_WORDS,
	 .words = "sizes digests contents",
	 .offset = offsetof(struct options, level)},
	{.name = "anew",
	 .kind = OPTION_FLAG,
	 .text = "begin a new pass, although one of this level was interrupted",
	 .offset = offsetof(struct options, anew)},
	{0},
};

static const struct example examples[] = {
	{"Once a day, in minutes, by cron:", "salvor scrub --quiet --level sizes --key /etc/salvor/host.key"},
	{"Once a month, where the recovery key is at hand:", "salvor scrub --level contents --key recovery.key"},
	{0},
};

const struct verb verb_scrub = {
	.name = "scrub",
	.summary = "look for damage in the repository",
	.synopses = {""},
	.about = "Looks at every object of the repository: signatures, that every pack which a point needs is there, "
		 "that every point is there which another one, a receipt or this machine knows of, and more by the "
		 "level. Damage is listed with the points that it hurts, the newest points that are whole, "
		 "and what to do. Nothing in the repository is changed.\n\n"
		 "A pass over a large repository may be interrupted: the next scrub of the same level goes on where it "
		 "was. What was found damaged is not relied on by later backups from this machine: they store again "
		 "what they need of it, and older points are read from there.",
	.options = options,
	.examples = examples,
	.attention = "done, but this machine may not remember what was looked at",
	.damage = "damage was found, and is listed",
};
