/* SPDX-License-Identifier: Apache-2.0 */
/* popt gives an option's place in the table of vmm_manual.h; where its value goes is in its spec. */
#include "hypervisor/thin/vmm_options.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <popt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "hypervisor/thin/vmm_manual.h"

enum { OPTIONS_MAX = 16 };

static void popt_freep(poptContext *popt)
{
	*popt = poptFreeContext(*popt);
}

static void refuse_word(poptContext popt, int reason, struct err **errp)
{
	err_set(errp, ERR_USAGE, "option '%s': %s; 'salvor-vmm --help' lists all", poptBadOption(popt, 0),
		poptStrerror(reason));
}

static bool parse_number(const char *name, const char *text, int *ret, struct err **errp)
{
	char *end;
	errno = 0;
	long number = strtol(text, &end, 10);
	if (end == text || *end || errno != 0 || number < 0 || number > INT_MAX)
		return err_set(errp, ERR_USAGE, "--%s '%s' is not a number of 0 or more", name, text);
	*ret = (int)number;
	return true;
}

/* Takes over value, which is NULL for flags. */
static bool store(const struct option_spec *spec, char *value, struct vmm_options *ret, struct err **errp)
{
	void *place = (char *)ret + spec->offset;
	AUTO(freep) char *owned = value;
	if (spec->kind == OPTION_FLAG) {
		*(bool *)place = true;
		return true;
	}
	if (!owned)
		return err_set_no_memory(errp);
	if (!*owned)
		return err_set(errp, ERR_USAGE, "--%s needs a %s that is not empty", spec->name, spec->argument);
	if (spec->kind == OPTION_NUMBER)
		return parse_number(spec->name, owned, place, errp);
	char **text = place;
	free(*text);
	*text = STEAL(&owned);
	return true;
}

static bool parse(poptContext popt, struct vmm_options *ret, struct err **errp)
{
	int place;
	while ((place = poptGetNextOpt(popt)) > 0)
		if (!store(&vmm_option_specs[place - 1], poptGetOptArg(popt), ret, errp))
			return false;
	if (place < -1)
		refuse_word(popt, place, errp);
	return place == -1;
}

static bool check(poptContext popt, const struct vmm_options *options, struct err **errp)
{
	const char *operand = poptGetArg(popt);
	if (operand)
		return err_set(errp, ERR_USAGE, "'%s' is no option; 'salvor-vmm --help' lists all", operand);
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
	struct poptOption table[OPTIONS_MAX + 1] = {0};
	*ret = (struct vmm_options){.ready = -1, .hold = -1};
	for (int i = 0; vmm_option_specs[i].name; i++) {
		const struct option_spec *spec = &vmm_option_specs[i];
		assert(i < OPTIONS_MAX);
		table[i] = (struct poptOption){.longName = spec->name,
					       .shortName = spec->letter,
					       .argInfo = spec->kind == OPTION_FLAG ? POPT_ARG_NONE : POPT_ARG_STRING,
					       .val = i + 1};
	}
	AUTO(popt_freep) poptContext popt = poptGetContext("salvor-vmm", argc, (const char **)argv, table, 0);
	if (!popt) {
		err_set_no_memory(errp);
		return VMM_WRONG;
	}
	if (!parse(popt, ret, errp))
		return VMM_WRONG;
	if (ret->help || ret->version)
		return say(ret, errp);
	ret->gid = ret->gid ? ret->gid : ret->uid;
	ret->no_jail = ret->no_jail || SALVOR_NO_JAIL;
	return check(popt, ret, errp) ? VMM_GO : VMM_WRONG;
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
