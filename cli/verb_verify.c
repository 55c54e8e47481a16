/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/report.h"
#include "cli/run.h"
#include "cli/words.h"
#include "restore/verify.h"

enum { TIMEOUT_MAX_S = 86400, JOBS_MAX = 1024, COLUMNS_USUAL = 80, COLUMNS_MAX = 500 };

/* ---- which points ---- */

struct selection {
	struct point_list list; /* of --all and --newest */
	struct point *found;	/* named one by one */
	size_t n_found;
	const struct point **points; /* of either, each once */
	size_t n;
};

static void selection_release(struct selection *selection)
{
	for (size_t i = 0; i < selection->n_found; i++)
		point_release(&selection->found[i]);
	free(selection->found);
	free(selection->points);
	point_list_release(&selection->list);
}

static void add_once(struct selection *selection, const struct point *point)
{
	for (size_t i = 0; i < selection->n; i++) {
		if (memcmp(selection->points[i]->id, point->id, POINT_ID_SIZE) == 0)
			return;
	}
	selection->points[selection->n++] = point;
}

static bool make_room(struct selection *selection, size_t n, struct err **errp)
{
	selection->points = calloc(n + 1, sizeof(const struct point *));
	return selection->points || err_set_no_memory(errp);
}

static bool find_named(const struct repository *repository, const struct text_list *names, struct selection *selection,
		       struct err **errp)
{
	selection->found = calloc(names->n, sizeof(*selection->found));
	if (!selection->found)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < names->n; i++) {
		if (!point_find(repository, names->items[i], &selection->found[i], errp))
			return false;
		selection->n_found++;
		add_once(selection, &selection->found[i]);
	}
	return true;
}

static bool is_wanted(const struct text_list *workloads, const char *workload)
{
	for (size_t i = 0; i < workloads->n; i++) {
		if (strcmp(workloads->items[i], workload) == 0)
			return true;
	}
	return workloads->n == 0;
}

static bool is_newest(const struct point_list *list, size_t i)
{
	for (size_t before = 0; before < i; before++) {
		if (strcmp(list->points[before].workload, list->points[i].workload) == 0)
			return false;
	}
	return true;
}

static bool check_known(const struct point_list *list, const char *workload, struct err **errp)
{
	for (size_t i = 0; i < list->n; i++) {
		if (strcmp(list->points[i].workload, workload) == 0)
			return true;
	}
	return err_set(errp, ERR_NOT_FOUND, "there are no points of a workload '%s'; 'salvor points' lists all",
		       workload);
}

static bool choose_listed(const struct options *options, struct selection *selection, struct err **errp)
{
	const struct point_list *list = &selection->list;
	for (size_t i = 0; i < options->operands.n; i++) {
		if (!check_known(list, options->operands.items[i], errp))
			return false;
	}
	for (size_t i = 0; i < list->n; i++) {
		if (is_wanted(&options->operands, list->points[i].workload) && (options->all || is_newest(list, i)))
			add_once(selection, &list->points[i]);
	}
	return selection->n > 0 ||
	       err_set(errp, ERR_NOT_FOUND, "there are no points to verify; 'salvor backup' makes one");
}

static bool select_points(struct context *context, const struct repository *repository, struct selection *ret,
			  struct err **errp)
{
	const struct options *options = &context->options;
	if (!options->all && !options->newest)
		return make_room(ret, options->operands.n, errp) &&
		       find_named(repository, &options->operands, ret, errp);
	if (!point_list_load(repository, NULL, &ret->list, errp) || !make_room(ret, ret->list.n, errp))
		return false;
	report_damaged(context, &ret->list);
	return choose_listed(options, ret, errp);
}

static bool check_selection(const struct options *options, struct err **errp)
{
	if (options->all && options->newest)
		return err_set(errp, ERR_USAGE, "--all and --newest are two different things: say one of them");
	if (options->operands.n == 0 && !options->all && !options->newest)
		return err_set(errp, ERR_USAGE, "which points? Name them, or say --newest or --all");
	if (options->expect && options->agent)
		return err_set(errp, ERR_USAGE,
			       "--expect and --agent each say that nothing else counts: say one of them");
	return true;
}

/* ---- telling ---- */

struct teller {
	struct context *context;
	size_t n;
};

static void tell_note(void *arg, const char *text)
{
	const struct teller *teller = arg;
	if (teller->n == 1)
		report_note(NULL, text);
	else
		log_debug("%s", text);
}

static size_t columns(void)
{
	struct winsize size;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return COLUMNS_USUAL - 1;
	return size.ws_col < COLUMNS_MAX ? size.ws_col - 1u : COLUMNS_MAX;
}

static void tell_status(void *arg, const char *text)
{
	char line[COLUMNS_MAX + 1];
	(void)arg;
	snprintf(line, columns() + 1, "%s", text);
	log_set_status(line);
}

static void print_result(const struct verify_result *result)
{
	char id[POINT_ID_TEXT_SIZE], time[CLOCK_TEXT_SIZE], duration[WORDS_SIZE];
	AUTO(freep) char *workload = strdup(result->point->workload);
	printf("%s as of %s (point %.*s): ", workload ? words_make_printable(workload) : "",
	       clock_format(result->point->cut_ns, time), POINT_ID_SHORT, point_id_text(result->point->id, id));
	switch (result->verdict) {
	case VERIFY_PASSED:
		printf("passed, %s after %s\n", result->reason, words_duration(result->seconds, duration));
		break;
	case VERIFY_FAILED:
		printf("FAILED, %s\n", result->reason);
		break;
	case VERIFY_UNDECIDED:
		printf("not verified, %s\n", result->reason);
		break;
	}
	fflush(stdout);
}

/* The guest saw what was backed up, but the repository is damaged. */
static void warn_of_healed(const struct verify_result *result)
{
	AUTO(freep)
	char *text = result->healed ? file_format("%s: %s", result->point->workload, result->healed) : NULL;
	if (text)
		log_warning("%s", words_make_printable(text));
}

static void tell_done(void *arg, const struct verify_result *result)
{
	const struct teller *teller = arg;
	log_set_status(NULL);
	if (!teller->context->options.json)
		print_result(result);
	warn_of_healed(result);
	AUTO(freep) char *trouble = result->trouble ? strdup(result->trouble) : NULL;
	if (trouble)
		log_warning("%s", words_make_printable(trouble));
}

/* ---- the result ---- */

static struct json *result_to_json(const struct verify_result *result)
{
	char id[POINT_ID_TEXT_SIZE];
	struct json *json = json_new_object(), *evidence = json_new_object();
	bool passed = result->verdict == VERIFY_PASSED;
	json_set(json, "point", json_new_text(point_id_text(result->point->id, id)));
	json_set(json, "workload", json_new_text(result->point->workload));
	json_set(json, "verdict", json_new_text(verify_verdict_text(result->verdict)));
	json_set(json, "sign", json_new_text(passed ? receipt_sign_text(result->sign) : NULL));
	json_set(json, "seconds_to_ready", passed ? json_new_real(result->seconds) : json_new_null());
	json_set(json, "reason", json_new_text(result->reason));
	json_set(evidence, "log", json_new_text(result->log_path));
	json_set(evidence, "screen", json_new_text(result->screen_path));
	json_set(json, "evidence", evidence);
	json_set(json, "receipt", json_new_text(result->receipt));
	json_set(json, "trouble", json_new_text(result->trouble));
	json_set(json, "healed", json_new_text(result->healed));
	return json;
}

/* Of those that are complete; err is what ended it before all were, or NULL. */
static bool report_results(struct context *context, const struct verify_result *results, size_t n,
			   const struct err *err, struct err **errp)
{
	struct json *json = json_new_object(), *array = json_new_array();
	for (size_t i = 0; i < n; i++)
		if (results[i].reason)
			json_append(array, result_to_json(&results[i]));
	json_set(json, "results", array);
	if (err)
		json_set(json, "error", error_to_json(err));
	return report_json(context, json, errp);
}

/* The first failure is the one that is told. */
static bool report_broken(struct context *context, const struct verify_result *results, size_t n, struct err **errp)
{
	context_explain_interruption(errp, "what was judged by then is judged, and the rest is not");
	AUTO(err_freep) struct err *failure = STEAL(errp);
	if (context->options.json && !report_results(context, results, n, failure, errp))
		err_clear(errp);
	return err_move(errp, &failure);
}

/* A point of which nothing can be said did not fail. */
static bool tell_failures(size_t failed, size_t undecided, size_t n, enum err_code code, struct err **errp)
{
	const char *points = n == 1 ? "point" : "points";
	if (undecided == 0)
		return err_set(errp, code, "%zu of %zu %s did not pass", failed, n, points);
	if (failed == 0)
		return err_set(errp, code, "%zu of %zu %s could not be verified", undecided, n, points);
	return err_set(errp, code, "%zu of %zu %s did not pass, and %zu could not be verified", failed, n, points,
		       undecided);
}

static bool conclude(const struct context *context, const struct verify_result *results, size_t n, struct err **errp)
{
	size_t failed = 0, undecided = 0, without = 0;
	bool damage = context->status == EXIT_DAMAGE;
	for (size_t i = 0; i < n; i++) {
		failed += results[i].verdict == VERIFY_FAILED;
		undecided += results[i].verdict == VERIFY_UNDECIDED;
		without += results[i].trouble != NULL;
		damage = damage || results[i].damage;
	}
	if (failed + undecided > 0)
		return tell_failures(failed, undecided, n, damage ? ERR_CORRUPT : ERR_FAILED, errp);
	return without == 0 || err_set(errp, ERR_FAILED, "all points passed, and not all that was seen could be kept");
}

static bool choose(struct context *context, struct verify_options *ret, struct err **errp)
{
	const struct options *options = &context->options;
	const char *accelerator = options->accelerator;
	if (!check_selection(options, errp))
		return false;
	if (accelerator && strcmp(accelerator, "kvm") != 0 && strcmp(accelerator, "tcg") != 0)
		return err_set(errp, ERR_USAGE, "--accel '%s' is neither kvm nor tcg", accelerator);
	ret->cancel = &context->cancel;
	ret->state_dir = context->state_dir;
	ret->cache_dir = context->cache_dir;
	ret->accelerator = accelerator;
	ret->expect = options->expect;
	ret->agent_only = options->agent;
	ret->accept_screen = options->accept_screen;
	ret->evidence_dir = options->evidence;
	ret->receipt_path = options->receipt;
	return (!options->memory || words_parse_size("memory", options->memory, &ret->memory, errp)) &&
	       (!options->timeout ||
		words_parse_number("timeout", options->timeout, 0, TIMEOUT_MAX_S, &ret->timeout_s, errp)) &&
	       (!options->jobs || words_parse_number("jobs", options->jobs, 0, JOBS_MAX, &ret->jobs, errp));
}

static bool verify(struct context *context, const struct repository *repository, const struct selection *selection,
		   struct verify_options *options, struct verify_result *results, struct err **errp)
{
	struct teller teller = {.context = context, .n = selection->n};
	options->note = tell_note;
	options->done = tell_done;
	options->status = !context->options.quiet && isatty(STDERR_FILENO) == 1 ? tell_status : NULL;
	options->arg = &teller;
	bool ok = verify_points(repository, selection->points, selection->n, options, results, errp);
	if (options->status)
		log_set_status(NULL);
	if (!ok)
		return report_broken(context, results, selection->n, errp);
	if (context->options.json && !report_results(context, results, selection->n, NULL, errp))
		return false;
	return conclude(context, results, selection->n, errp);
}

bool run_verify(struct context *context, struct err **errp)
{
	AUTO(selection_release) struct selection selection = {0};
	struct verify_options options = {0};
	if (!choose(context, &options, errp))
		return false;
	AUTO(repository_freep) struct repository *repository = context_open_repository(context, CONTEXT_PROVE, errp);
	if (!repository || !select_points(context, repository, &selection, errp))
		return false;
	struct verify_result *results = calloc(selection.n, sizeof(*results));
	if (!results)
		return err_set_no_memory(errp);
	bool ok = verify(context, repository, &selection, &options, results, errp);
	for (size_t i = 0; i < selection.n; i++)
		verify_result_release(&results[i]);
	free(results);
	return ok;
}
