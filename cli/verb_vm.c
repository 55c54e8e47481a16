/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/nearest.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/verb.h"
#include "cli/vm.h"

enum { USE_CREATE = 1, USE_STOP = 2, USE_DELETE = 4 };
enum need { NEED_NONE, NEED_REMAINS, NEED_FOLDER, NEED_CONFIGURATION };

static const struct subverb {
	const char *name;
	vm_function *run;
	unsigned operands; /* behind it */
	enum need need;	   /* of a machine that is there */
	unsigned use;	   /* the options that it takes */
} subverbs[] = {
	{"create", vm_create, 1, NEED_NONE, USE_CREATE}, {"start", vm_start, 1, NEED_CONFIGURATION, 0},
	{"stop", vm_stop, 1, NEED_FOLDER, USE_STOP},	 {"list", vm_list, 0, NEED_NONE, 0},
	{"console", vm_console, 1, NEED_FOLDER, 0},	 {"delete", vm_delete, 1, NEED_REMAINS, USE_DELETE},
};

#define NAMES "create, start, stop, list, console and delete"

static const struct subverb *find(const char *name, struct err **errp)
{
	struct nearest nearest;
	nearest_init(&nearest, name);
	for (size_t i = 0; i < ARRAY_LENGTH(subverbs); i++) {
		if (strcmp(subverbs[i].name, name) == 0)
			return &subverbs[i];
		nearest_offer(&nearest, subverbs[i].name);
	}
	err_set(errp, ERR_USAGE, "'vm %s' is none of " NAMES "%s%s%s", name, nearest.best ? ": did you mean 'vm " : "",
		nearest.best ? nearest.best : "", nearest.best ? "'?" : "");
	return NULL;
}

static bool is_of(const char *synopsis, const char *name)
{
	size_t len = strlen(name);
	return strncmp(synopsis, name, len) == 0 && (synopsis[len] == ' ' || synopsis[len] == '\0');
}

/* create has two synopses, and the others have one. */
static bool say_usage(const char *name, struct err **errp)
{
	const char *const *first = verb_vm.synopses;
	while (!is_of(*first, name))
		first++;
	bool two = first[1] && is_of(first[1], name);
	return err_set(errp, ERR_USAGE, "usage: salvor vm %s%s%s", *first, two ? ", or: salvor vm " : "",
		       two ? first[1] : "");
}

static bool check_options(const struct options *options, const struct subverb *subverb, struct err **errp)
{
	const struct {
		const char *name;
		bool said;
		unsigned use;
	} said[] = {
		{"disk", options->disks.n > 0, USE_CREATE},	  {"from", options->from, USE_CREATE},
		{"memory", options->memory, USE_CREATE},	  {"vcpus", options->vcpus, USE_CREATE},
		{"tap", options->taps.n > 0, USE_CREATE},	  {"passt", options->passts.n > 0, USE_CREATE},
		{"force", options->force, USE_STOP | USE_DELETE}, {"timeout", options->timeout, USE_STOP},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(said); i++)
		if (said[i].said && !(said[i].use & subverb->use))
			return err_set(errp, ERR_USAGE, "'vm %s' takes no --%s", subverb->name, said[i].name);
	return true;
}

bool vm_report(struct context *context, const char *name, const char *state, pid_t pid, const char *sentence,
	       struct err **errp)
{
	if (!context->options.json) {
		printf("Machine %s %s.\n", name, sentence);
		return true;
	}
	struct json *json = json_new_object();
	json_set(json, "machine", json_new_text(name));
	json_set(json, "state", json_new_text(state));
	if (pid > 0)
		json_set(json, "pid", json_new_number((uint64_t)pid));
	return report_json(context, json, errp);
}

bool run_vm(struct context *context, struct err **errp)
{
	const struct options *options = &context->options;
	const struct text_list *operands = &options->operands;
	AUTO(thin_machine_release) struct thin_machine machine = {0};
	if (operands->n == 0)
		return err_set(errp, ERR_USAGE,
			       "'salvor vm' has " NAMES ": which of them? 'salvor vm --help' has more");
	const struct subverb *subverb = find(operands->items[0], errp);
	if (!subverb)
		return false;
	if (operands->n != 1 + subverb->operands)
		return say_usage(subverb->name, errp);
	if (!check_options(options, subverb, errp))
		return false;
	if (subverb->need == NEED_NONE)
		return subverb->run(context, NULL, errp);
	const char *name = operands->items[1];
	return (subverb->need == NEED_REMAINS ? thin_machine_find_remains(context->state_dir, name, &machine, errp)
					      : thin_machine_find(context->state_dir, name, &machine, errp)) &&
	       (subverb->need != NEED_CONFIGURATION || thin_machine_read(&machine, errp)) &&
	       subverb->run(context, &machine, errp);
}
