/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread for each machine that runs at once; each takes the next point when it is done with one. The calling thread
 * waits for them and does all the telling.
 */
#include "restore/verify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/pool.h"
#include "restore/verify_internal.h"

#define SECOND_NS UINT64_C(1000000000)
#define TICK_NS (SECOND_NS / 4)
#define MEMORY_USUAL (UINT64_C(2) << 30)

enum { SOFTWARE_TIMES = 3, STATUS_SIZE = 512 };

static const char login_prompt[] = "login:";

struct group {
	const struct verifier *verifier;
	struct verify_task *tasks;
	size_t n, jobs;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;
	size_t next, n_done, n_told;
	size_t *done; /* in the order in which they ended */
	unsigned slots;
	size_t threads; /* that still work */
	bool failed;
};

void verify_result_release(struct verify_result *result)
{
	free(result->reason);
	free(result->trouble);
	free(result->healed);
	free(result->log_path);
	free(result->screen_path);
	free(result->receipt);
	*result = (struct verify_result){0};
}

const char *verify_verdict_text(enum verify_verdict verdict)
{
	static const char *const texts[] = {
		[VERIFY_PASSED] = "passed", [VERIFY_FAILED] = "failed", [VERIFY_UNDECIDED] = "undecided"};
	return texts[verdict];
}

/* ---- workers ---- */

/* The next point, or n when there is none. */
static size_t take(struct group *group)
{
	pthread_mutex_lock(&group->lock);
	size_t i = group->failed || group->next == group->n ? group->n : group->next++;
	pthread_mutex_unlock(&group->lock);
	return i;
}

static void note_done(struct group *group, size_t i)
{
	pthread_mutex_lock(&group->lock);
	group->done[group->n_done++] = i;
	pthread_cond_signal(&group->wake);
	pthread_mutex_unlock(&group->lock);
}

static void stop(void *arg)
{
	struct group *group = arg;
	pthread_mutex_lock(&group->lock);
	group->failed = true;
	pthread_mutex_unlock(&group->lock);
}

static void leave(struct group *group)
{
	pthread_mutex_lock(&group->lock);
	group->threads--;
	pthread_cond_signal(&group->wake);
	pthread_mutex_unlock(&group->lock);
}

static bool work(void *arg, struct err **errp)
{
	struct group *group = arg;
	pthread_mutex_lock(&group->lock);
	unsigned slot = group->slots++;
	pthread_mutex_unlock(&group->lock);
	bool ok = true;
	for (size_t i; ok && (i = take(group)) < group->n;) {
		ok = verify_one(group->verifier, &group->tasks[i], slot, errp);
		if (ok)
			note_done(group, i);
	}
	leave(group);
	return ok;
}

/* ---- telling ---- */

static size_t describe_task(struct verify_task *task, char *to, size_t size, bool with_line)
{
	char line[JUDGE_LINE_SIZE], workload[WORKLOAD_NAME_MAX + 1];
	int len = 0;
	snprintf(workload, sizeof(workload), "%s", task->point->workload);
	plain_text_make_ascii(workload);
	pthread_mutex_lock(&task->lock);
	if (task->watch) {
		unsigned seconds = verify_watch_look(task->watch, line);
		with_line = with_line && line[0];
		len = snprintf(to, size, "; %s %u s%s%s", workload, seconds, with_line ? ": " : "",
			       with_line ? line : "");
	}
	pthread_mutex_unlock(&task->lock);
	return len < 0 || (size_t)len >= size ? size - 1 : (size_t)len;
}

static void tell_status(struct group *group, size_t n_done)
{
	char text[STATUS_SIZE];
	const struct verify_options *options = group->verifier->options;
	if (!options->status)
		return;
	size_t len = (size_t)snprintf(text, sizeof(text), "verifying, %zu of %zu done", n_done, group->n);
	for (size_t i = 0; i < group->n && len + 1 < sizeof(text); i++)
		len += describe_task(&group->tasks[i], text + len, sizeof(text) - len, group->jobs == 1);
	options->status(options->arg, text);
}

/* The next that ended and was not told of; n where there is none. Waits a moment. */
static size_t next_done(struct group *group, bool *ret_over)
{
	uint64_t ns = clock_monotonic_ns() + TICK_NS;
	const struct timespec until = {.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
	int outcome = 0;
	pthread_mutex_lock(&group->lock);
	while (group->n_told == group->n_done && group->threads > 0 && outcome == 0)
		outcome = pthread_cond_timedwait(&group->wake, &group->lock, &until);
	size_t i = group->n_told < group->n_done ? group->done[group->n_told++] : group->n;
	*ret_over = i == group->n && group->threads == 0;
	pthread_mutex_unlock(&group->lock);
	return i;
}

static void tell_until_over(struct group *group)
{
	const struct verify_options *options = group->verifier->options;
	bool over = false;
	for (size_t n_told = 0; !over;) {
		size_t i = next_done(group, &over);
		if (i < group->n) {
			n_told++;
			if (options->done)
				options->done(options->arg, group->tasks[i].result);
		} else if (!over) {
			tell_status(group, n_told);
		}
	}
}

/* ---- all of it ---- */

static size_t choose_jobs(const struct verify_options *options, size_t n)
{
	uint64_t each = options->memory ? options->memory : MEMORY_USUAL, by_memory = runner_free_memory() / each;
	size_t jobs = options->jobs ? options->jobs : (pool_processors() + 1) / 2;
	if (!options->jobs && jobs > by_memory)
		jobs = by_memory > 0 ? (size_t)by_memory : 1;
	return jobs < n ? jobs : n;
}

static bool group_init(struct group *group, const struct verifier *verifier, const struct point *const *points,
		       size_t n, struct verify_result *results, struct err **errp)
{
	pthread_condattr_t monotonic;
	*group = (struct group){.verifier = verifier, .n = n, .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&group->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	group->tasks = calloc(n, sizeof(*group->tasks));
	group->done = calloc(n, sizeof(*group->done));
	if (!group->tasks || !group->done)
		return err_set_no_memory(errp);
	for (size_t i = 0; i < n; i++) {
		results[i].point = points[i];
		group->tasks[i] = (struct verify_task){
			.point = points[i], .result = &results[i], .lock = PTHREAD_MUTEX_INITIALIZER};
	}
	return true;
}

static void group_release(struct group *group)
{
	free(group->tasks);
	free(group->done);
	pthread_cond_destroy(&group->wake);
	pthread_mutex_destroy(&group->lock);
}

static bool run_group(struct group *group, size_t jobs, struct err **errp)
{
	group->jobs = group->threads = jobs;
	struct pool *pool = pool_start("verify", jobs, work, stop, group, errp);
	if (!pool)
		group->threads = 0; /* those that had started have ended, and may have done something */
	tell_until_over(group);
	return pool && pool_join(pool, errp);
}

static bool compile(const char *expression, regex_t *ret, struct err **errp)
{
	char said[128];
	int status = regcomp(ret, expression, REG_EXTENDED | REG_NOSUB);
	if (status == 0)
		return true;
	regerror(status, ret, said, sizeof(said));
	return err_set(errp, ERR_USAGE, "'%s' is not a regular expression: %s", expression, said);
}

static struct judge_rules make_rules(const struct verify_options *options, const regex_t *expect,
				     const char *accelerator)
{
	unsigned usual = VERIFY_TIMEOUT_S * (strcmp(accelerator, "kvm") == 0 ? 1u : (unsigned)SOFTWARE_TIMES);
	return (struct judge_rules){
		.expect = expect,
		.expect_text = options->expect ? options->expect : login_prompt,
		.agent_counts = options->agent_only || !options->expect,
		.console_counts = !options->agent_only,
		.screen_counts = options->accept_screen,
		.limit_s = options->timeout_s ? options->timeout_s : usual,
	};
}

static bool is_folder(const char *path)
{
	struct stat there;
	return path && stat(path, &there) == 0 && S_ISDIR(there.st_mode);
}

static bool verify_with(struct verifier *verifier, const struct point *const *points, size_t n,
			struct verify_result *results, struct err **errp)
{
	struct group group;
	size_t jobs = choose_jobs(verifier->options, n);
	verifier->memory_max = runner_free_memory() / jobs;
	verifier->receipts_are_many = n > 1 || is_folder(verifier->options->receipt_path);
	if (!verify_check_places(verifier, points, n, errp))
		return false;
	AUTO(runner_freep) struct runner *runner = runner_libvirt_open(verifier->options->cache_dir, errp);
	verifier->runner = runner;
	bool ok = runner && group_init(&group, verifier, points, n, results, errp);
	ok = ok && run_group(&group, jobs, errp);
	if (runner)
		group_release(&group);
	return ok;
}

bool verify_points(const struct repository *repository, const struct point *const *points, size_t n,
		   const struct verify_options *options, struct verify_result *results, struct err **errp)
{
	regex_t expect;
	const char *accelerator = runner_accelerator(options->accelerator);
	if (n == 0)
		return true;
	if (!repository_check_readable(repository, errp) ||
	    !compile(options->expect ? options->expect : login_prompt, &expect, errp))
		return false;
	struct verifier verifier = {.repository = repository,
				    .options = options,
				    .rules = make_rules(options, &expect, accelerator),
				    .accelerator = accelerator};
	bool ok = verify_with(&verifier, points, n, results, errp);
	regfree(&expect);
	return ok;
}
