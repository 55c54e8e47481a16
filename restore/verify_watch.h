/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watching one machine that boots, until its judge has decided or is told that the time is up: what it says and what
 * happens to it comes from threads of the runner, what it shows is asked for here.
 */
#pragma once

#include <pthread.h>

#include "base/cancel.h"
#include "hypervisor/runner.h"
#include "restore/machine.h"
#include "restore/plain_text.h"
#include "restore/tail.h"
#include "restore/verify_judge.h"

struct err;

struct verify_watch {
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t wake;  /* something was said, or happened */
	bool stirred;
	uint64_t begin_ns, said_ns; /* monotonic: when it was switched on, 0 before; when the console said something */
	uint64_t started_ns;	    /* the former, realtime */
	struct judge judge;
	struct tail log; /* of firmware and console, as they said it */
	struct plain_text firmware, console;
	char *healed; /* what was read from elsewhere, one or more sentences; NULL: nothing */
};

/* rules as in judge_init(). */
void verify_watch_init(struct verify_watch *watch, const struct judge_rules *rules);
/* When nobody calls back any more. */
void verify_watch_release(struct verify_watch *watch);

/* Callbacks; arg is the watch. */
void verify_watch_heard(void *arg, enum run_voice voice, const char *data, size_t len);
void verify_watch_changed(void *arg);
void verify_watch_complaint(void *arg, enum export_complaint kind, const char *text);

/* Until the judge has decided, and until the machine has said what it had to say about a failure. ERR_CANCELLED. */
NODISCARD bool verify_watch_run(struct verify_watch *watch, struct runner *runner, const struct machine *machine,
				const struct cancel *cancel, struct err **errp);
/* For people, while it runs: seconds since it was switched on, and the console's last line. From any thread. */
unsigned verify_watch_look(struct verify_watch *watch, char line[JUDGE_LINE_SIZE]);
