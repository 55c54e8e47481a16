/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/verb.h"

static const struct option_spec options[] = {
	{.name = "all",
	 .kind = OPTION_FLAG,
	 .text = "every point, or every point of the named workloads",
	 .offset = offsetof(struct options, all)},
	{.name = "newest",
	 .kind = OPTION_FLAG,
	 .text = "the newest point of every workload, or of the named ones",
	 .offset = offsetof(struct options, newest)},
	{.name = "expect",
	 .kind = OPTION_TEXT,
	 .argument = "REGEX",
	 .fallback = "login:",
	 .text = "what a line of the serial console must match (a POSIX extended expression); when it is said, nothing "
		 "else counts",
	 .offset = offsetof(struct options, expect)},
	{.name = "agent",
	 .kind = OPTION_FLAG,
	 .text = "only an answer of the guest agent counts",
	 .offset = offsetof(struct options, agent)},
	{.name = "accept-screen",
	 .kind = OPTION_FLAG,
	 .text = "a screen counts, too, that is not black and stays as it is for half a minute; that it shows no "
		 "error, a "
		 "person has to see in the receipt",
	 .offset = offsetof(struct options, accept_screen)},
	{.name = "timeout",
	 .kind = OPTION_TEXT,
	 .argument = "SECONDS",
	 .fallback = "300, and 900 on the software CPU",
	 .text = "how long a machine may take to show a sign of life",
	 .offset = offsetof(struct options, timeout)},
	{.name = "jobs",
	 .kind = OPTION_TEXT,
	 .argument = "NUMBER",
	 .fallback = "as many as half the processors, and free memory, allow",
	 .text = "how many machines run at once",
	 .offset = offsetof(struct options, jobs)},
	{.name = "memory",
	 .kind = OPTION_TEXT,
	 .argument = "SIZE",
	 .fallback = "as the machine has, at most its part of what is free here",
	 .text = "memory of each machine, as 2G",
	 .offset = offsetof(struct options, memory)},
	{.name = "accel",
	 .kind = OPTION_TEXT,
	 .argument = "kvm|tcg",
	 .fallback = "kvm where the processor can, else tcg",
	 .text = "run on the processor (kvm) or in software (tcg)",
	 .completion = COMPLETE_WORDS,
	 .words = "kvm tcg",
	 .offset = offsetof(struct options, accelerator)},
	{.name = "evidence",
	 .kind = OPTION_TEXT,
	 .argument = "DIR",
	 .text = "keep the log of the console and the picture of the screen as files, too",
	 .completion = COMPLETE_FOLDER,
	 .offset = offsetof(struct options, evidence)},
	{.name = "receipt",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .fallback = "into the repository",
	 .text = "write the receipt there, for whoever has no key or where the repository cannot be written to; with "
		 "several points, or when it is a folder, a file for each in it",
	 .completion = COMPLETE_FILE,
	 .offset = offsetof(struct options, receipt)},
	{0},
};

static const struct example examples[] = {
	{"Each night, after the backups:", "salvor verify --newest --key recovery.key"},
	{"The application must have started, not only the system:",
	 "salvor verify web01@latest --expect 'nginx.*started'"},
	{"Which is the last point that boots?", "salvor verify --all web01 --jobs 2"},
	{0},
};

const struct verb verb_verify = {
	.name = "verify",
	.summary = "prove that points boot",
	.synopses = {"POINT...", "--all [WORKLOAD...]", "--newest [WORKLOAD...]"},
	.max_operands = ANY_NUMBER,
	.names = NAMES_POINTS,
	.about = "Boots each point from the repository, as boot does: on a throw-away machine, in a network without a "
		 "way out. It passes when it shows a sign of life: the guest agent answers, or the serial console asks "
		 "for a login. It fails when no disk boots, the kernel panics, the machine restarts again and again or "
		 "switches itself off, waits for the password of a disk or in emergency mode, or when nothing of all "
		 "this happens in time; each is told in one sentence with what to do.\n\n"
		 "What was seen becomes a signed receipt in the repository: verdict, time to ready, the end of the "
		 "console's log, and a picture of the screen. 'salvor receipt' shows it. When what is needed to boot a "
		 "point failed, as for lack of room or memory, nothing is said of the point and it gets no receipt.\n\n"
		 "It exits with 0 only when every point passed. SIGINT or SIGTERM ends it, and no machine stays.",
	.options = options,
	.examples = examples,
	.damage = "a point is damaged, or one that was there is gone",
};
