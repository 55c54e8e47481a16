/* SPDX-License-Identifier: Apache-2.0 */
/* machine ──► watch until the judge decides ──► machine away ──► evidence ──► receipt */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "restore/machine.h"
#include "restore/verify_internal.h"

#define SECOND_NS UINT64_C(1000000000)

enum { GRACE_S = 120 }; /* beyond the limit: for starting, and for looking at what failed */

void verify_evidence_release(struct verify_evidence *evidence)
{
	bytes_release(&evidence->log);
	bytes_release(&evidence->screen);
	trace_release(&evidence->trace);
}

/* ---- running ---- */

struct notes {
	const struct verifier *verifier;
	const char *workload;
};

static void note(void *arg, const char *text)
{
	const struct notes *notes = arg;
	const struct verify_options *options = notes->verifier->options;
	AUTO(freep) char *named = file_format("%s: %s", notes->workload, text);
	if (options->note && named)
		options->note(options->arg, named);
}

/* A machine that could not be started is judged, too. */
static void judge_start(struct verify_watch *watch, struct err *err)
{
	pthread_mutex_lock(&watch->lock);
	if (err_code(err) == ERR_CORRUPT)
		judge_damage(&watch->judge, err_message(err), 0);
	else
		judge_unable(&watch->judge, err_message(err));
	pthread_mutex_unlock(&watch->lock);
}

static bool run_machine(const struct verifier *verifier, struct verify_task *task, unsigned slot, struct trace *trace,
			struct err **errp)
{
	const struct verify_options *options = verifier->options;
	struct verify_watch *watch = task->watch;
	struct notes notes = {.verifier = verifier, .workload = task->point->workload};
	const struct run_watcher watcher = {.heard = verify_watch_heard,
					    .changed = verify_watch_changed,
					    .arg = watch,
					    .limit_ns = (verifier->rules.limit_s + GRACE_S) * SECOND_NS};
	const struct machine_options machine_options = {
		.cancel = options->cancel,
		.slot = slot,
		.state_dir = options->state_dir,
		.memory = options->memory,
		.memory_max = verifier->memory_max,
		.network = true,
		.record = true,
		.accelerator = verifier->accelerator,
		.console_in = -1,
		.console_out = -1,
		.watcher = &watcher,
		.note = note,
		.note_arg = &notes,
		.complain = verify_watch_complaint,
		.complain_arg = watch,
	};
	struct machine *machine =
		machine_start(verifier->runner, verifier->repository, task->point, &machine_options, errp);
	if (!machine && err_code(*errp) != ERR_CANCELLED && err_code(*errp) != ERR_NO_MEMORY) {
		judge_start(watch, *errp);
		err_clear(errp);
		return true;
	}
	bool ok = machine && verify_watch_run(watch, verifier->runner, machine, options->cancel, errp);
	if (ok && watch->judge.judgement == JUDGE_READY)
		machine_trace(machine, trace);
	machine_stop(machine);
	return ok;
}

/* ---- what is left of it ---- */

static bool collect(struct verify_watch *watch, struct verify_evidence *ret, struct err **errp)
{
	ret->log_total = watch->log.total;
	if (!tail_copy(&watch->log, &ret->log, errp))
		return false;
	return !watch->judge.seen || picture_to_png(&watch->judge.picture, RECEIPT_SCREEN_MAX, &ret->screen, errp);
}

static bool fill_result(const struct judge *judge, struct verify_result *result, struct err **errp)
{
	result->verdict = judge->judgement == JUDGE_READY    ? VERIFY_PASSED
			  : judge->judgement == JUDGE_UNABLE ? VERIFY_UNDECIDED
							     : VERIFY_FAILED;
	result->damage = judge->judgement == JUDGE_DAMAGED;
	result->sign = judge->sign;
	result->seconds = judge->judgement == JUDGE_READY ? (double)judge->at_ns / 1e9 : 0;
	result->reason = malloc(sizeof(judge->reason));
	if (!result->reason)
		return err_set_no_memory(errp);
	receipt_set_text(result->reason, sizeof(judge->reason), judge->reason);
	return true;
}

/* Neither is lost because the other cannot be written. */
static bool keep(const struct verifier *verifier, struct verify_watch *watch, struct verify_evidence *evidence,
		 struct verify_result *result, struct err **errp)
{
	AUTO(err_freep) struct err *second = NULL;
	if (!collect(watch, evidence, errp))
		return false;
	bool receipt = result->verdict == VERIFY_UNDECIDED ||
		       verify_write_receipt(verifier, &watch->judge, evidence, result, errp);
	if (receipt)
		verify_keep_trace(verifier, &evidence->trace, result);
	bool files = verify_write_evidence(verifier, evidence, result, receipt ? errp : &second);
	return receipt && files;
}

/* A machine that never started counts from when that was tried. */
static bool conclude(const struct verifier *verifier, struct verify_watch *watch, struct verify_evidence *evidence,
		     struct verify_result *result, struct err **errp)
{
	if (watch->started_ns)
		evidence->started_ns = watch->started_ns;
	evidence->ended_ns = clock_now_ns();
	if (!fill_result(&watch->judge, result, errp))
		return false;
	result->healed = STEAL(&watch->healed);
	if (keep(verifier, watch, evidence, result, errp))
		return true;
	result->trouble = strdup(err_message(*errp));
	if (!result->trouble)
		return false;
	err_clear(errp);
	return true;
}

static void set_watch(struct verify_task *task, struct verify_watch *watch)
{
	pthread_mutex_lock(&task->lock);
	task->watch = watch;
	pthread_mutex_unlock(&task->lock);
}

bool verify_one(const struct verifier *verifier, struct verify_task *task, unsigned slot, struct err **errp)
{
	struct verify_watch watch;
	AUTO(verify_evidence_release) struct verify_evidence evidence = {.started_ns = clock_now_ns()};
	verify_watch_init(&watch, &verifier->rules);
	set_watch(task, &watch);
	bool ok = run_machine(verifier, task, slot, &evidence.trace, errp);
	set_watch(task, NULL);
	ok = ok && conclude(verifier, &watch, &evidence, task->result, errp);
	verify_watch_release(&watch);
	return ok;
}
