/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "cli/verb.h"

const struct verb *const verbs[] = {
	&verb_init,   &verb_backup,  &verb_points, &verb_show, &verb_diff, &verb_restore, &verb_export, &verb_boot,
	&verb_verify, &verb_receipt, &verb_scrub,  &verb_vm,   &verb_key,  &verb_status,  &verb_help,	NULL,
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *const *verb = verbs; *verb; verb++)
		if (strcmp((*verb)->name, name) == 0)
			return *verb;
	return NULL;
}

static const struct option_spec *find_option(const struct option_spec *specs, const char *name)
{
	for (; specs->name; specs++)
		if (strcmp(specs->name, name) == 0)
			return specs;
	return NULL;
}

const struct option_spec *verb_option(const struct verb *verb, const char *name)
{
	const struct option_spec *spec = verb ? find_option(verb->options, name) : NULL;
	return spec ? spec : find_option(global_options, name);
}
