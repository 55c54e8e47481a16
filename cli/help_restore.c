/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "to",
	 .kind = OPTION_TEXT,
	 .argument = "DIR",
	 .text = "restore every stream into this folder",
	 .completion = COMPLETE_FOLDER,
	 .offset = offsetof(struct options, to)},
	{.name = "disk",
	 .kind = OPTION_LIST,
	 .argument = "[NAME=]PATH",
	 .text = "restore only this disk, to a file or a block device; may be said several times; the name may be left "
		 "out where the point has one disk",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, disks)},
	{.name = "format",
	 .kind = OPTION_TEXT,
	 .argument = "raw|qcow2",
	 .fallback = "raw",
	 .text = "the format of image files",
	 .completion = COMPLETE_WORDS,
	 .words = "raw qcow2",
	 .offset = offsetof(struct options, format)},
	{.name = "force",
	 .kind = OPTION_FLAG,
	 .text = "replace files that exist, and write over devices that hold data",
	 .offset = offsetof(struct options, force)},
	{.name = "keep-damaged",
	 .kind = OPTION_FLAG,
	 .text = "make files of damaged disks too, with zeros in the place of what cannot be read; the exit status is "
		 "4 all "
		 "the same",
	 .offset = offsetof(struct options, keep_damaged)},
	{0},
};

static const struct example examples[] = {
	{"Everything into a folder:", "salvor restore web01@latest --to /srv/restored"},
	{"One disk, back onto a logical volume:", "salvor restore web01@latest --disk vda=/dev/vg0/web01 --force"},
	{0},
};

const struct verb verb_restore = {
	.name = "restore",
	.summary = "bring a point back as files or onto devices",
	.synopses = {"POINT --to DIR", "POINT --disk [NAME=]PATH ..."},
	.min_operands = 1,
	.max_operands = 1,
	.names = NAMES_POINTS,
	.about =
		"With --to, writes DISK.raw (or DISK.qcow2) for every disk, domain.xml and the firmware variables "
		"into a folder. With --disk, writes single disks to files or block devices. Every byte is "
		"authenticated before it is written, and holes stay holes.\n\n"
		"Files appear under their names only when they are whole. What exists is not touched without --force. "
		"What a restore to the same place left when it was killed is removed.\n\n"
		"What is damaged is read from other points of the workload that have the same, and the command says "
		"from which; the exit status is 3 then. Where none has it, the rest is restored, and the command names "
		"the places, and what to type for the newest point that is not known to be hurt.",
	.options = options,
	.examples = examples,
	.attention =
		"done, but what is damaged was read from other points; or a commit that may be of a newer point cannot "
		"be read, or has vanished",
	.damage = "some of it is damaged; files were made of what is whole",
};
