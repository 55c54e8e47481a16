/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "recovery-key",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .text = "write the recovery key to this new file",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, recovery_key)},
	{.name = "no-recovery-key",
	 .kind = OPTION_FLAG,
	 .text = "make none: without the passphrase, everything is lost for good",
	 .offset = offsetof(struct options, no_recovery_key)},
	{.name = "single-writer",
	 .kind = OPTION_FLAG,
	 .text = "also in a bucket whose service cannot tell which of two writers was first: only one machine will "
		 "ever write",
	 .offset = offsetof(struct options, single_writer)},
	{.name = "owner",
	 .kind = OPTION_TEXT,
	 .argument = "NAME",
	 .fallback = "owner",
	 .text = "the name under which the owner appears among the keys",
	 .offset = offsetof(struct options, owner)},
	{0},
};

static const struct example examples[] = {
	{"On a disk that is mounted at /backup, with the recovery key on a stick:",
	 "salvor init --repo /backup/salvor --recovery-key /media/stick/recovery.key"},
	{"In a bucket, with the keys of the profile 'backup':",
	 "AWS_PROFILE=backup salvor init --repo s3://backups/salvor --recovery-key /media/stick/recovery.key"},
	{"Without a terminal:",
	 "SALVOR_PASSPHRASE_FILE=/root/passphrase salvor init --repo /backup/salvor --recovery-key recovery.key"},
	{0},
};

const struct verb verb_init = {
	.name = "init",
	.summary = "make a repository",
	.synopses = {"--recovery-key FILE", "--no-recovery-key"},
	.about = "Makes an encrypted repository in an empty folder, or in a new one whose parent is there; or in a "
		 "bucket that is there, below a prefix with nothing else. The owner opens it with a passphrase, which "
		 "is asked for twice.\n\n"
		 "The recovery key opens it, too. It is for the day on which the passphrase is forgotten or its keeper "
		 "is gone: move the file to a safe place away from this machine, and leave no copy here.",
	.options = options,
	.examples = examples,
};
