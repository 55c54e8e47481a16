/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "disk",
	 .kind = OPTION_LIST,
	 .argument = "[NAME=]PATH",
	 .text = "create: a raw image or block device as a disk, in the order in which the guest has them; unnamed "
		 "disks are "
		 "vda, vdb and so on",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, disks)},
	{.name = "from",
	 .kind = OPTION_TEXT,
	 .argument = "POINT",
	 .text = "create: with the disks of a point, read from the repository as long as it runs; what it writes stays "
		 "here",
	 .completion = COMPLETE_NAMES,
	 .words = NAMES_POINTS,
	 .offset = offsetof(struct options, from)},
	{.name = "memory",
	 .kind = OPTION_TEXT,
	 .argument = "SIZE",
	 .fallback = "as the point's machine had, else 512M",
	 .text = "create: its memory, as 2G",
	 .offset = offsetof(struct options, memory)},
	{.name = "vcpus",
	 .kind = OPTION_TEXT,
	 .argument = "N",
	 .fallback = "as the point's machine had, else 1",
	 .text = "create: how many processors it has, 1 to 16",
	 .offset = offsetof(struct options, vcpus)},
	{.name = "tap",
	 .kind = OPTION_LIST,
	 .argument = "INTERFACE",
	 .text = "create: a network card on this TAP interface, which is there already",
	 .offset = offsetof(struct options, taps)},
	{.name = "passt",
	 .kind = OPTION_LIST,
	 .argument = "SOCKET",
	 .text = "create: a network card on the socket of a passt, which needs no rights",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, passts)},
	{.name = "force",
	 .kind = OPTION_FLAG,
	 .text = "stop: do not ask the guest; what it has not flushed is lost, as by a power cut. delete: also what "
		 "the guest wrote over a point, which is nowhere else, and files that salvor did not make",
	 .offset = offsetof(struct options, force)},
	{.name = "timeout",
	 .kind = OPTION_TEXT,
	 .argument = "SECONDS",
	 .fallback = "60",
	 .text = "stop: how long the guest may take to power off; with --force, the machine to answer, from 2 to 10",
	 .offset = offsetof(struct options, timeout)},
	{0},
};

static const struct example examples[] = {
	{"A machine on an image, with a network card:",
	 "salvor vm create web01 --disk /srv/web01.raw --memory 1G --vcpus 2 --tap tap0"},
	{"Back in service within seconds, straight from the repository:",
	 "salvor vm create web01 --from web01@latest --tap tap0 && salvor vm start web01"},
	{"Sit at it; Ctrl-] leaves:", "salvor vm console web01"},
	{0},
};

const struct verb verb_vm = {
	.name = "vm",
	.summary = "host machines on the thin hypervisor",
	.synopses = {"create NAME --disk [NAME=]PATH ...", "create NAME --from POINT", "start NAME",
		     "stop NAME [--force] [--timeout SECONDS]", "list", "console NAME", "delete NAME [--force]"},
	.max_operands = ANY_NUMBER,
	.operand_words = "create start stop list console delete",
	.named_words = "start stop console delete",
	.names = NAMES_MACHINES,
	.about =
		"Hosts ordinary Linux machines by salvor-vmm, a small hypervisor on KVM: one process a machine, in a "
		"jail "
		"of its own. A machine is one small file, machines/NAME/vm.conf below the state folder; what may be in "
		"it is in docs/vm.md. Disks are raw images or block devices with a boot loader for BIOS, as 'salvor "
		"restore' writes them.\n\n"
		"create writes the file. With --from, the disks are those of a point: they are read from the "
		"repository while the machine runs, and what it writes goes to overlays beside vm.conf, so that it "
		"goes "
		"on from there when it is started again. The repository and a key that reads are needed at create "
		"and at start; which repository it was is remembered, and taken at start where neither --repo nor "
		"SALVOR_REPO names another.\n\n"
		"start runs a machine, or lets one go on that paused because its disk was full or its repository away. "
		"stop presses its power button, and says so when the guest does not listen. list tells how all "
		"are: stopped, running, paused, or silent, which is a machine that runs and does not answer, since it "
		"begins or ends just now, or hangs; with the reason, also of one that was killed. console connects "
		"this terminal to the serial line; Ctrl-] leaves, and the machine runs on. "
		"delete removes a machine that does not run; images elsewhere than in its folder stay. What the "
		"guest wrote over a point is nowhere else: it goes only with --force, as does any file in the folder "
		"that salvor did not make.\n\n"
		"Beside vm.conf are serial.log, which has all that the guest said on its serial line; log, which has "
		"what happened to the machine, and when; and agent, the socket of the QEMU guest agent. As root, each "
		"machine runs as a user of its own. Its memory is not part of backups; 'salvor backup NAME --disk "
		"PATH' protects its images while it is stopped.",
	.options = options,
	.examples = examples,
	.attention = "done, but a commit that may be of a newer point cannot be read, or has vanished",
	.damage = "the point is damaged",
	.see_also = "salvor-vmm 8",
};
