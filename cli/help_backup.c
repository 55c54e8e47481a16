/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "connect",
	 .kind = OPTION_TEXT,
	 .argument = "URI",
	 .fallback = "connect in the configuration, else libvirt's own choice",
	 .text = "the libvirt that hosts the domain, as qemu:///system",
	 .offset = offsetof(struct options, connect)},
	{.name = "disk",
	 .kind = OPTION_LIST,
	 .argument = "[NAME=]PATH",
	 .text = "protect this image or block device as a disk of a workload of files; may be said several times; "
		 "unnamed disks are vda, vdb and so on",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, disks)},
	{.name = "full",
	 .kind = OPTION_FLAG,
	 .text = "read everything, even where changes are tracked, and compare it with what the change map says",
	 .offset = offsetof(struct options, full)},
	{.name = "freeze-timeout",
	 .kind = OPTION_TEXT,
	 .argument = "SECONDS",
	 .fallback = "30",
	 .text = "how long the guest agent may take to freeze the file systems; 0 does not ask it",
	 .offset = offsetof(struct options, freeze_timeout)},
	{.name = "spill-dir",
	 .kind = OPTION_TEXT,
	 .argument = "DIR",
	 .fallback = "spill_dir in the configuration, else the hypervisor's own place",
	 .text = "where old data goes that the guest overwrites meanwhile",
	 .completion = COMPLETE_FOLDER,
	 .offset = offsetof(struct options, spill_dir)},
	{.name = "spill-limit",
	 .kind = OPTION_TEXT,
	 .argument = "SIZE",
	 .fallback = "a tenth of the disks, at least 1 GiB, at most half of what is free",
	 .text = "how much of it may be kept, as 20G; beyond it the backup breaks, never the guest",
	 .offset = offsetof(struct options, spill_limit)},
	{0},
};

static const struct example examples[] = {
	{"A running libvirt domain; the second time only what changed:", "salvor backup web01"},
	{"Two disk images under one name:", "salvor backup archive --disk /srv/system.raw --disk data=/srv/data.qcow2"},
	{0},
};

const struct verb verb_backup = {
	.name = "backup",
	.summary = "make a recovery point of a workload",
	.synopses = {"DOMAIN [--connect URI]", "NAME --disk [NAME=]PATH ..."},
	.min_operands = 1,
	.max_operands = 1,
	.names = NAMES_WORKLOADS,
	.about = "Protects a libvirt domain while it runs, or a set of disk files. The guest agent, where there is "
		 "one, freezes the file systems for an instant; all disks are cut at that instant. The first backup "
		 "reads everything, later ones only what changed.\n\n"
		 "What changed is told by QEMU's bitmaps, and checked: each run reads 24 chunks of 64 KiB of each disk "
		 "that hold data and 8 of zeros which are said to be unchanged, chosen anew each time, and compares "
		 "them with the point before; --full compares all. Where one differs, everything is read in the same "
		 "run, the point says 'tracking-wrong', and the exit status is 3. Where changes were not tracked, "
		 "everything is read as well, and the point says why.\n\n"
		 "The NAME of a set of files is one that can be typed, does not begin with '-', and does not mean a "
		 "point of another ('web01@latest'). A domain may be called anything: where its name cannot be typed, "
		 "its points are found by their ids.\n\n"
		 "A point is whole or it does not exist: interrupted or failed, a backup leaves all earlier points as "
		 "they were, and the next one uses what was stored.",
	.options = options,
	.examples = examples,
	.attention =
		"the point stands, but a person should read why, for example because the guest agent did not answer",
};
