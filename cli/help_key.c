/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "name",
	 .kind = OPTION_TEXT,
	 .argument = "NAME",
	 .text = "whose key it is, as the name of the host",
	 .offset = offsetof(struct options, name)},
	{.name = "role",
	 .kind = OPTION_TEXT,
	 .argument = "ROLES",
	 .fallback = "write",
	 .text = "what it may do, separated by commas: write (make points), read (read what is in them), admin (manage "
		 "keys)",
	 .completion = COMPLETE_WORDS,
	 .words = "write read write,read",
	 .offset = offsetof(struct options, role)},
	{.name = "out",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .text = "the new file to write the key to",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, out)},
	{0},
};

static const struct example examples[] = {
	{"A host that makes backups and cannot read them:", "salvor key add --name host7 --role write --out host7.key"},
	{"Who holds a key:", "salvor key list"},
	{0},
};

const struct verb verb_key = {
	.name = "key",
	.summary = "add and list keys",
	.synopses = {"add --name NAME [--role ROLES] --out FILE", "list"},
	.min_operands = 1,
	.max_operands = 1,
	.operand_words = "add list",
	.about = "With add, makes a key for a host and writes it to a file for --key or SALVOR_KEY_FILE on that host. "
		 "A host with the role write alone makes full and incremental backups, yet with everything found on it "
		 "nobody can read what was backed up. Adding needs a key with the role admin: the "
		 "owner's passphrase or the recovery key.\n\n"
		 "With list, shows all keys of the repository and their roles. No secret is shown.",
	.options = options,
	.examples = examples,
};
