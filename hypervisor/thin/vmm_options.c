/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/vmm_options.h"

#include <errno.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"

static const char help[] =
	"salvor-vmm - runs one virtual machine on KVM\n"
	"\n"
	"  salvor-vmm --config FILE --control SOCKET [--serial-log FILE] [options]\n"
	"\n"
	"Reads what the machine is from the file, opens all that it needs, locks itself into a jail, and\n"
	"runs it until it powers off, somebody orders its end, or a second SIGTERM comes; the first one\n"
	"presses the machine's power button. 'salvor vm start' does all this, and more, for machines\n"
	"that 'salvor vm create' made.\n"
	"\n"
	"Options:\n"
	"  --config FILE      what the machine is; etc/vm.conf of the source is a sample with words\n"
	"  --control SOCKET   where it takes orders: one JSON object a line, as {\"do\": \"status\"}\n"
	"                     status, pause, go-on, press-power, restart, end, and console, behind\n"
	"                     which the connection is the serial line itself\n"
	"  --agent SOCKET     where the QEMU guest agent in the guest is spoken to, as virsh does\n"
	"  --serial-log FILE  what the guest says on its serial line is appended here\n"
	"  --log FILE         once it runs, what it has to say of itself is appended here\n"
	"                     (default: standard error)\n"
	"  --uid N, --gid N   who it becomes in its jail, when root starts it\n"
	"                     (default: root of nothing, in a user namespace of its own; --gid: as --uid)\n"
	"  --paused           it waits for the order go-on before its first instruction\n"
	"  --no-jail          it stays outside, for debuggers and sanitizers\n"
	"  --ready FD         one byte is written to this descriptor when it runs\n"
	"  --hold FD          this descriptor stays open as long as it lives, so that its lock tells\n"
	"  --verbose          more words\n"
	"  --help, --version\n"
	"\n"
	"Examples:\n"
	"  A machine in the foreground:\n"
	"      salvor-vmm --config web01.conf --control web01.sock --serial-log web01.log\n"
	"  How it is:\n"
	"      echo '{\"do\": \"status\"}' | socat - UNIX-CONNECT:web01.sock\n"
	"  What its agent says:\n"
	"      echo '{\"execute\": \"guest-ping\"}' | socat -t 5 - UNIX-CONNECT:web01.agent\n"
	"\n"
	"Exit status:\n"
	"  0    the machine powered off, or was ended\n"
	"  1    it crashed, or could not be started or go on; the last line says why\n"
	"  2    the command line or the configuration is wrong\n"
	"  159  the jail ended it: it did what none of its threads has to do\n";

enum { OPTION_HELP = 1, OPTION_VERSION };

static void popt_freep(poptContext *popt)
{
	*popt = poptFreeContext(*popt);
}

static void refuse_word(poptContext popt, int reason, struct err **errp)
{
	err_set(errp, ERR_USAGE, "option '%s': %s; 'salvor-vmm --help' lists all", poptBadOption(popt, 0),
		poptStrerror(reason));
}

static bool check(poptContext popt, const struct vmm_options *options, struct err **errp)
{
	const char *operand = poptGetArg(popt);
	if (operand)
		return err_set(errp, ERR_USAGE, "'%s' is no option; 'salvor-vmm --help' lists all", operand);
	if (!options->config || !options->control)
		return err_set(errp, ERR_USAGE,
			       "--config FILE and --control SOCKET are needed; see 'salvor-vmm --help'");
	if (options->uid < 0 || options->gid < 0)
		return err_set(errp, ERR_USAGE, "--uid and --gid are numbers of 0 or more");
	return true;
}

enum vmm_options_outcome vmm_options_parse(int argc, char **argv, struct vmm_options *ret, struct err **errp)
{
	int paused = 0, no_jail = 0, verbose = 0, what;
	*ret = (struct vmm_options){.ready = -1, .hold = -1};
	const struct poptOption table[] = {
		{.longName = "config", .argInfo = POPT_ARG_STRING, .arg = &ret->config},
		{.longName = "control", .argInfo = POPT_ARG_STRING, .arg = &ret->control},
		{.longName = "agent", .argInfo = POPT_ARG_STRING, .arg = &ret->agent},
		{.longName = "serial-log", .argInfo = POPT_ARG_STRING, .arg = &ret->serial_log},
		{.longName = "log", .argInfo = POPT_ARG_STRING, .arg = &ret->log},
		{.longName = "uid", .argInfo = POPT_ARG_INT, .arg = &ret->uid},
		{.longName = "gid", .argInfo = POPT_ARG_INT, .arg = &ret->gid},
		{.longName = "ready", .argInfo = POPT_ARG_INT, .arg = &ret->ready},
		{.longName = "hold", .argInfo = POPT_ARG_INT, .arg = &ret->hold},
		{.longName = "paused", .argInfo = POPT_ARG_NONE, .arg = &paused},
		{.longName = "no-jail", .argInfo = POPT_ARG_NONE, .arg = &no_jail},
		{.longName = "verbose", .shortName = 'v', .argInfo = POPT_ARG_NONE, .arg = &verbose},
		{.longName = "help", .shortName = 'h', .argInfo = POPT_ARG_NONE, .val = OPTION_HELP},
		{.longName = "version", .argInfo = POPT_ARG_NONE, .val = OPTION_VERSION},
		POPT_TABLEEND,
	};
	AUTO(popt_freep) poptContext popt = poptGetContext("salvor-vmm", argc, (const char **)argv, table, 0);
	while ((what = poptGetNextOpt(popt)) > 0) {
		if (what == OPTION_HELP)
			fputs(help, stdout);
		else
			puts("salvor-vmm " SALVOR_VERSION);
		if (fflush(stdout) == 0)
			return VMM_SAID;
		err_set_errno(errp, errno, "standard output");
		return VMM_WRONG;
	}
	ret->gid = ret->gid ? ret->gid : ret->uid;
	ret->paused = paused;
	ret->no_jail = no_jail || SALVOR_NO_JAIL;
	ret->verbose = verbose;
	if (what < -1)
		refuse_word(popt, what, errp);
	return what == -1 && check(popt, ret, errp) ? VMM_GO : VMM_WRONG;
}

void vmm_options_release(struct vmm_options *options)
{
	free(options->config);
	free(options->control);
	free(options->agent);
	free(options->serial_log);
	free(options->log);
	*options = (struct vmm_options){.ready = -1, .hold = -1};
}
