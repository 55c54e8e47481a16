/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/known.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/words.h"
#include "restore/boot.h"

static bool choose(const struct context *context, struct boot_options *ret, struct err **errp)
{
	const struct options *options = &context->options;
	const char *accelerator = options->accelerator;
	if (accelerator && strcmp(accelerator, "kvm") != 0 && strcmp(accelerator, "tcg") != 0)
		return err_set(errp, ERR_USAGE, "--accel '%s' is neither kvm nor tcg", accelerator);
	if (options->memory && !words_parse_size("memory", options->memory, &ret->memory, errp))
		return false;
	ret->cancel = &context->cancel;
	ret->state_dir = context->state_dir;
	ret->cache_dir = context->cache_dir;
	ret->network = options->network;
	ret->accelerator = accelerator;
	ret->console_in = options->json ? -1 : STDIN_FILENO;
	ret->console_out = options->json ? -1 : STDOUT_FILENO;
	ret->note = report_note;
	return true;
}

struct started {
	struct point *point;
	double seconds; /* until the machine ran */
};

static void on_started(void *arg, uint64_t ns_since_call)
{
	char duration[WORDS_SIZE];
	struct started *started = arg;
	started->seconds = (double)ns_since_call / 1e9;
	report_point(started->point);
	log_info("started after %s; %s ends it", words_duration(started->seconds, duration),
		 isatty(STDIN_FILENO) ? "Ctrl-]" : "SIGTERM");
}

static struct json *to_json(const struct point *point, double seconds_to_start, double seconds)
{
	char id[POINT_ID_TEXT_SIZE];
	struct json *json = json_new_object();
	json_set(json, "point", json_new_text(point_id_text(point->id, id)));
	json_set(json, "workload", json_new_text(point->workload));
	json_set(json, "seconds_to_start", json_new_real(seconds_to_start));
	json_set(json, "seconds", json_new_real(seconds));
	return json;
}

bool run_boot(struct context *context, struct err **errp)
{
	AUTO(point_release) struct point point = {0};
	struct boot_options options = {0};
	struct started started = {.point = &point};
	if (!choose(context, &options, errp))
		return false;
	options.started = on_started;
	options.note_arg = &started;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_READ, errp);
	if (!repository || !point_find(repository, context->options.operands.items[0], &point, errp))
		return false;
	report_other_writer(repository, &point);
	report_missed(context, &point);
	known_warn_of_damage(repository, &point);
	uint64_t start = clock_monotonic_ns();
	if (!boot_point(repository, &point, &options, errp))
		return false;
	if (!context->options.json)
		return true;
	return report_json(context, to_json(&point, started.seconds, (double)(clock_monotonic_ns() - start) / 1e9),
			   errp);
}
