/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "socket",
	 .kind = OPTION_TEXT,
	 .argument = "PATH",
	 .text = "the UNIX socket to make; nothing may be there",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, socket)},
	{.name = "disk",
	 .kind = OPTION_LIST,
	 .argument = "NAME",
	 .fallback = "every disk, each under its own export name",
	 .text = "serve this disk only",
	 .offset = offsetof(struct options, disks)},
	{0},
};

static const struct example examples[] = {
	{"Serve a point, and look at it from another terminal:", "salvor export web01@latest --socket /tmp/web01.sock"},
	{"Copy a disk out with any NBD client:", "nbdcopy 'nbd+unix:///vda?socket=/tmp/web01.sock' vda.raw"},
	{0},
};

const struct verb verb_export = {
	.name = "export",
	.summary = "serve the disks of a point over NBD",
	.synopses = {"POINT --socket PATH [--disk NAME]"},
	.min_operands = 1,
	.max_operands = 1,
	.names = NAMES_POINTS,
	.about = "Serves the disks read-only, as an NBD export each, named as the disk. Prints their URIs first and "
		 "serves until SIGINT or SIGTERM, which is the way to end it and no failure. Anything that speaks NBD "
		 "can read them: qemu-img, nbdcopy, nbdfuse, QEMU.",
	.options = options,
	.examples = examples,
	.attention = "done, but a commit that may be of a newer point cannot be read, or has vanished",
	.damage = "the point is damaged",
};
