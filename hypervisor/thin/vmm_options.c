/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/vmm_options.h"

#include <errno.h>
#include <stdio.h>

#include "base/err.h"
#include "base/option_parse.h"
#include "hypervisor/thin/vmm_manual.h"

static bool check(const struct vmm_options *options, struct err **errp)
{
	if (options->operands.n > 0)
		return err_set(errp, ERR_USAGE, "'%s' is no option; 'salvor-vmm --help' lists all",
			       options->operands.items[0]);
	return (options->config && options->control) ||
	       err_set(errp, ERR_USAGE, "--config FILE and --control SOCKET are needed; see 'salvor-vmm --help'");
}

static enum vmm_options_outcome say(const struct vmm_options *options, struct err **errp)
{
	if (options->help)
		vmm_help_print(stdout);
	else
		puts("salvor-vmm " SALVOR_VERSION);
	if (fflush(stdout) == 0)
		return VMM_SAID;
	err_set_errno(errp, errno, "standard output");
	return VMM_WRONG;
}

enum vmm_options_outcome vmm_options_parse(int argc, char **argv, struct vmm_options *ret, struct err **errp)
{
	*ret = (struct vmm_options){.ready = -1, .hold = -1};
	const struct option_parse parse = {.tables = {vmm_option_specs},
					   .options = ret,
					   .operands = &ret->operands,
					   .owned = &ret->owned,
					   .hint = "'salvor-vmm --help' lists all"};
	if (!option_parse(&parse, argc, (const char **)argv, errp))
		return VMM_WRONG;
	if (ret->help || ret->version)
		return say(ret, errp);
	ret->gid = ret->gid ? ret->gid : ret->uid;
	ret->no_jail = ret->no_jail || SALVOR_NO_JAIL;
	return check(ret, errp) ? VMM_GO : VMM_WRONG;
}

void vmm_options_release(struct vmm_options *options)
{
	text_list_release(&options->operands);
	text_list_release_owned(&options->owned);
	*options = (struct vmm_options){.ready = -1, .hold = -1};
}
