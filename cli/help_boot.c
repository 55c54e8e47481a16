/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "memory",
	 .kind = OPTION_TEXT,
	 .argument = "SIZE",
	 .fallback = "as the machine has, at most what is free here",
	 .text = "memory of the machine, as 2G",
	 .offset = offsetof(struct options, memory)},
	{.name = "network",
	 .kind = OPTION_FLAG,
	 .text = "give it a network card on a network of its own, without a way out; else it has no network at all",
	 .offset = offsetof(struct options, network)},
	{.name = "accel",
	 .kind = OPTION_TEXT,
	 .argument = "kvm|tcg",
	 .fallback = "kvm where the processor can, else tcg",
	 .text = "run on the processor (kvm) or in software (tcg)",
	 .completion = COMPLETE_WORDS,
	 .words = "kvm tcg",
	 .offset = offsetof(struct options, accelerator)},
	{0},
};

static const struct example examples[] = {
	{"Last night's point, to look at:", "salvor boot web01@latest"},
	{"On a small laptop, with the recovery key:", "salvor boot web01@latest --key recovery.key --memory 1G"},
	{0},
};

const struct verb verb_boot = {
	.name = "boot",
	.summary = "boot a point straight from the repository",
	.synopses = {"POINT"},
	.min_operands = 1,
	.max_operands = 1,
	.names = NAMES_POINTS,
	.about = "Starts the machine of a point at once, from the repository, made fit for this host; what is changed "
		 "or left out is said. Its serial console is on standard input and output. What it writes goes to a "
		 "throw-away overlay, and it cannot reach any network: the point and the world stay as they are. Any "
		 "user may do this, and no libvirt daemon is needed.\n\n"
		 "Ctrl-], SIGINT or SIGTERM ends it, and nothing stays. With --json there is no console.",
	.options = options,
	.examples = examples,
	.attention = "done, but a commit that may be of a newer point cannot be read, or has vanished",
	.damage = "the point is damaged",
};
