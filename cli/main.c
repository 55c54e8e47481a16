/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/verb.h"

static const struct {
	const struct verb *verb;
	run_function *run;
} table[] = {
	{&verb_init, run_init},	    {&verb_backup, run_backup},	  {&verb_points, run_points}, {&verb_show, run_show},
	{&verb_diff, run_diff},	    {&verb_restore, run_restore}, {&verb_export, run_export}, {&verb_boot, run_boot},
	{&verb_verify, run_verify}, {&verb_receipt, run_receipt}, {&verb_scrub, run_scrub},   {&verb_vm, run_vm},
	{&verb_key, run_key},	    {&verb_status, run_status},	  {&verb_help, run_help},
};

/* A stream that is closed must not be the number of the next file that opens. Writing to it fails, as it should. */
static void occupy_standard_streams(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void choose_log_level(const struct options *options)
{
	if (options->verbose)
		log_set_level(LOG_DEBUG);
	else if (options->quiet)
		log_set_level(LOG_WARNING);
}

static run_function *function_of(const struct options *options)
{
	for (size_t i = 0; i < ARRAY_LENGTH(table); i++)
		if (table[i].verb == options->verb && !options->help && !options->version)
			return table[i].run;
	return run_help;
}

static bool perform(struct context *context, int argc, char **argv, struct err **errp)
{
	if (!options_parse(argc, argv, &context->options, errp))
		return false;
	choose_log_level(&context->options);
	run_function *run = function_of(&context->options);
	if (run != run_help && (!context_prepare(context, errp) || !cancel_on_signals(&context->cancel, errp)))
		return false;
	return run(context, errp) && report_flush(errp);
}

int main(int argc, char **argv)
{
	struct context context = {0};
	struct err *err = NULL;
	occupy_standard_streams();
	signal(SIGPIPE, SIG_IGN);
	int status;
	if (perform(&context, argc, argv, &err))
		status = (int)context.status;
	else
		status = report_failure(&context, err, context.options.json || options_want_json(argc, argv));
	err_free(err);
	context_release(&context);
	return status;
}
