/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/vmm_manual.h"

#include "hypervisor/thin/vmm_options.h"

static const char summary[] = "run one virtual machine on KVM";

static const char about[] =
	"Reads what the machine is from a file, opens all that it needs, locks itself into a jail, and runs "
	"the machine until it powers off, somebody orders its end, or a second SIGTERM or SIGINT comes; the "
	"first one presses the machine's power button. Standard error tells what happens to it.\n\n"
	"'salvor vm start' does all this, and more, for machines that 'salvor vm create' made: each as a "
	"user of its own, with the disks of a point where it has them. By itself the program needs no more "
	"than the file: the name, the memory and the disks of the machine, as in /etc/salvor/vm.conf.sample.\n\n"
	"A machine that cannot go on until a person has helped, as with a full disk, pauses and loses "
	"nothing. Its status says why, and the order go-on has it try again.";

const struct option_spec vmm_option_specs[] = {
	{.name = "config",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .text = "what the machine is",
	 .offset = offsetof(struct vmm_options, config)},
	{.name = "control",
	 .kind = OPTION_TEXT,
	 .argument = "SOCKET",
	 .text = "where it takes orders: make this socket",
	 .offset = offsetof(struct vmm_options, control)},
	{.name = "agent",
	 .kind = OPTION_TEXT,
	 .argument = "SOCKET",
	 .text = "where the QEMU guest agent in the guest is spoken to, as virsh does: make this socket",
	 .offset = offsetof(struct vmm_options, agent)},
	{.name = "serial-log",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .text = "append to this file what the guest says on its serial line",
	 .offset = offsetof(struct vmm_options, serial_log)},
	{.name = "log",
	 .kind = OPTION_TEXT,
	 .argument = "FILE",
	 .fallback = "standard error",
	 .text = "once the machine runs, append to this file what is to be said of it",
	 .offset = offsetof(struct vmm_options, log)},
	{.name = "uid",
	 .kind = OPTION_NUMBER,
	 .argument = "N",
	 .fallback = "root of nothing, in a user namespace of its own",
	 .text = "become this user in the jail, when root starts it; inside a chroot, where no user namespace can be "
		 "made, there is no jail without",
	 .offset = offsetof(struct vmm_options, uid)},
	{.name = "gid",
	 .kind = OPTION_NUMBER,
	 .argument = "N",
	 .fallback = "the number of --uid",
	 .text = "become this group in the jail",
	 .offset = offsetof(struct vmm_options, gid)},
	{.name = "paused",
	 .kind = OPTION_FLAG,
	 .text = "wait for the order go-on before the first instruction",
	 .offset = offsetof(struct vmm_options, paused)},
	{.name = "no-jail",
	 .kind = OPTION_FLAG,
	 .text = "stay outside of the jail, for debuggers and sanitizers",
	 .offset = offsetof(struct vmm_options, no_jail)},
	{.name = "ready",
	 .kind = OPTION_NUMBER,
	 .argument = "FD",
	 .text = "write one byte to this descriptor when the machine runs",
	 .offset = offsetof(struct vmm_options, ready)},
	{.name = "hold",
	 .kind = OPTION_NUMBER,
	 .argument = "FD",
	 .text = "keep this descriptor open as long as the machine lives, so that a lock on it tells, and write the "
		 "line 'ended' to it at an end that is no sudden one",
	 .offset = offsetof(struct vmm_options, hold)},
	{.name = "verbose",
	 .letter = 'v',
	 .kind = OPTION_FLAG,
	 .text = "say more of what is done",
	 .offset = offsetof(struct vmm_options, verbose)},
	{.name = "help",
	 .letter = 'h',
	 .kind = OPTION_QUESTION,
	 .text = "explain salvor-vmm",
	 .offset = offsetof(struct vmm_options, help)},
	{.name = "version",
	 .kind = OPTION_QUESTION,
	 .text = "print the version",
	 .offset = offsetof(struct vmm_options, version)},
	{0},
};

static const struct place_spec orders[] = {
	{"status", "only answer how the machine is"},
	{"pause", "stop it at a clean point: no request is half done"},
	{"go-on", "let a paused machine go on"},
	{"press-power", "press its power button"},
	{"restart", "restart it, as by its reset button"},
	{"end", "end it at once, as by a power cut; what it has written to its disks is flushed first"},
	{"console", "behind the answer, this connection is its serial line"},
	{0},
};

static const struct place_spec files[] = {
	{"/dev/kvm", "who may open it may run machines"},
	{"/usr/share/seabios/bios-256k.bin", "the firmware, where the file names neither another nor a kernel"},
	{"/etc/salvor/vm.conf.sample", "a sample of a machine's file that explains all that may be in it"},
	{0},
};

static const struct example examples[] = {
	{"A machine in the foreground:", "salvor-vmm --config web01.conf --control web01.sock --serial-log web01.log"},
	{"How it is:", "echo '{\"do\": \"status\"}' | socat - UNIX-CONNECT:web01.sock"},
	{"What its agent says, where --agent web01.agent was said:",
	 "echo '{\"execute\": \"guest-ping\"}' | socat -t 5 - UNIX-CONNECT:web01.agent"},
	{0},
};

static const struct status_spec statuses[] = {
	{0, "the machine powered off, or was ended"},
	{1, "it crashed, or could not be started or go on; the last line says why"},
	{2, "the command line or the configuration is wrong"},
	{159, "the jail ended it: it did what none of its threads has to do"},
	{0},
};

static const char about_orders[] =
	"Orders come to the control socket as one JSON object a line, as {\"do\": \"status\"}, and each is answered by "
	"one line. Only the socket's owner and root may connect.";

void vmm_help_print(FILE *out)
{
	fprintf(out, "salvor-vmm - %s\n\nUsage:\n  salvor-vmm --config FILE --control SOCKET [OPTION ...]\n", summary);
	help_paragraphs(out, about);
	help_options(out, "Options", vmm_option_specs);
	help_paragraphs(out, about_orders);
	help_places(out, "Orders", orders);
	help_places(out, "Files", files);
	help_examples(out, examples);
	help_statuses(out, statuses);
}

void vmm_man_print(FILE *out)
{
	mdoc_head(out, &(struct mdoc_head){.name = "salvor-vmm", .section = 8, .summary = summary});
	fputs(".Nm\n.Fl \\-config Ar FILE\n.Fl \\-control Ar SOCKET\n.Op Ar option ...\n.Sh DESCRIPTION\n", out);
	mdoc_paragraphs(out, about);
	mdoc_options(out, vmm_option_specs);
	fputs(".Pp\n", out);
	mdoc_paragraphs(out, about_orders);
	mdoc_places(out, "ORDERS", "Cm", orders);
	mdoc_places(out, "FILES", "Pa", files);
	mdoc_statuses(out, statuses);
	mdoc_examples(out, examples);
	fputs(".Sh SEE ALSO\n.Xr salvor 1 ,\n.Xr salvor-vm 1\n", out);
}
