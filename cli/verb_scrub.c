/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/err.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/scrub_report.h"

static bool parse_level(const char *text, enum scrub_level *ret, struct err **errp)
{
	*ret = SCRUB_DIGESTS;
	if (!text)
		return true;
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_CONTENTS; level++) {
		if (strcmp(text, scrub_level_text(level)) != 0)
			continue;
		*ret = level;
		return true;
	}
	return err_set(errp, ERR_USAGE, "--level '%s' is none of sizes, digests and contents", text);
}

/* The work itself, under a progress line. */
static bool look(struct context *context, struct repository *repository, enum scrub_level level,
		 struct scrub_report *ret, struct err **errp)
{
	struct progress progress = {0};
	struct scrub_options options = {
		.level = level, .anew = context->options.anew, .cancel = &context->cancel, .progress = &progress};
	struct progress_line *line = context_progress(context, &progress, "scrubbing", "read", errp);
	if (!line && *errp)
		return false;
	bool ok = scrub_run(repository, &options, ret, errp);
	progress_line_end(line);
	return ok || context_explain_interruption(errp, level == SCRUB_SIZES || !repository_state_path(repository)
								? "not everything was looked at"
								: "the next scrub of this level goes on where this one "
								  "was");
}

bool run_scrub(struct context *context, struct err **errp)
{
	AUTO(scrub_report_release) struct scrub_report report = {0};
	enum scrub_level level;
	if (!parse_level(context->options.level, &level, errp))
		return false;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_CHECK, errp);
	if (!repository || !look(context, repository, level, &report, errp))
		return false;
	if (report.n_damaged > 0)
		context->status = EXIT_DAMAGE;
	if (report.unkept)
		report_attention(context, "this machine may not remember what was looked at, and what is damaged: %s",
				 report.unkept);
	return context->options.json ? report_json(context, scrub_report_to_json(repository, &report, level), errp)
				     : scrub_report_print(repository, &report, level, errp);
}
