/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "html",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .text = "with show: make the receipt a page in this new file, with the picture and the console log in it",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, html)},
	{.name = "out",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .text = "with show: write the receipt itself to this new file, for whoever has no key",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, out)},
	{0},
};

static const struct example examples[] = {
	{"Which points of a workload were verified:", "salvor receipt list web01"},
	{"The newest receipt of a point, as a page to hand on:", "salvor receipt show web01@latest --html web01.html"},
	{"Whether a page or a receipt file is genuine:", "salvor receipt show web01.html"},
	{0},
};

const struct verb verb_receipt = {
	.name = "receipt",
	.summary = "list and show what verifications saw",
	.synopses = {"list [WORKLOAD|POINT]", "show RECEIPT|POINT|FILE [--html FILE] [--out FILE]"},
	.min_operands = 1,
	.max_operands = 2,
	.operand_words = "list show",
	.named_words = "list show",
	.names = NAMES_POINTS,
	.about =
		"A receipt says that a point was booted by 'salvor verify', and what came of it: the verdict, the time "
		"to ready, what the screen showed and what the serial console said. It is signed with the key of "
		"whoever verified.\n\n"
		"With list, shows the receipts in the repository, newest first.\n\n"
		"With show, checks and shows one: a receipt by its id or name, the newest receipt of a point, or a "
		"file: "
		"one that 'salvor verify --receipt' or --out wrote, or a page that --html made. A file needs neither a "
		"repository nor a key. Without a repository nobody can say whose the signing key is, and its "
		"fingerprint "
		"is shown, to compare with the IDs of 'salvor key list'. Any byte that was changed is found.",
	.options = options,
	.examples = examples,
	.attention =
		"the signature holds, and the signer does not count: a key that was revoked, that may not read, or "
		"of another repository",
	.damage = "a receipt is damaged or was changed, or a stranger signed it",
};
