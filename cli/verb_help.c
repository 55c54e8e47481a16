/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/err.h"
#include "base/nearest.h"
#include "cli/help.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/verb.h"

/* What --help stands behind, or what help is asked about; NULL is salvor as a whole. */
static bool choose_subject(const struct options *options, const struct verb **ret, struct err **errp)
{
	const struct text_list *operands = &options->operands;
	*ret = options->verb;
	if (options->verb != &verb_help || options->help)
		return true;
	*ret = operands->n ? verb_find(operands->items[0]) : NULL;
	if (*ret || operands->n == 0)
		return true;
	struct nearest nearest;
	nearest_init(&nearest, operands->items[0]);
	for (const struct verb *const *verb = verbs; *verb; verb++)
		nearest_offer(&nearest, (*verb)->name);
	return err_set(errp, ERR_USAGE, "there is no verb '%s'%s%s%s", operands->items[0],
		       nearest.best ? "; the nearest is '" : "", nearest.best ? nearest.best : "",
		       nearest.best ? "'" : "");
}

static bool print_as_json(struct context *context, const struct verb *subject, struct err **errp)
{
	AUTO(freep) char *text = NULL;
	size_t len;
	FILE *memory = open_memstream(&text, &len);
	if (!memory)
		return err_set_no_memory(errp);
	help_print(subject, memory);
	if (fclose(memory) != 0)
		return err_set_no_memory(errp);
	struct json *json = json_new_object();
	json_set(json, "help", json_new_text(text));
	return report_json(context, json, errp);
}

static bool print_version(struct context *context, struct err **errp)
{
	if (!context->options.json) {
		printf("salvor %s\n", SALVOR_VERSION);
		return true;
	}
	struct json *json = json_new_object();
	json_set(json, "version", json_new_text(SALVOR_VERSION));
	return report_json(context, json, errp);
}

bool run_help(struct context *context, struct err **errp)
{
	const struct verb *subject;
	if (context->options.version && !context->options.help)
		return print_version(context, errp);
	if (!choose_subject(&context->options, &subject, errp))
		return false;
	if (context->options.json)
		return print_as_json(context, subject, errp);
	help_print(subject, stdout);
	return true;
}
