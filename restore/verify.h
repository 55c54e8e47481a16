/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying points: each is booted from the repository, on a throw-away machine that reaches nobody, until it shows a
 * sign of life or fails; what was seen goes into a signed receipt. Several at once within the memory of this host.
 */
#pragma once

#include "base/cancel.h"
#include "hypervisor/runner.h"
#include "storage/point.h"
#include "storage/receipt.h"
#include "storage/repository.h"

enum verify_verdict {
	VERIFY_PASSED,
	VERIFY_FAILED,
	VERIFY_UNDECIDED, /* nothing can be said of the point: what is needed to boot it failed. It has no receipt. */
};

struct verify_result {
	const struct point *point; /* borrowed */
	enum verify_verdict verdict;
	bool damage; /* of the repository: why it failed */
	enum receipt_sign sign;
	double seconds;		      /* to ready; 0 where it never was */
	char *reason;		      /* one sentence without control characters */
	char *trouble;		      /* why receipt or evidence is missing; NULL: neither is */
	char *healed;		      /* what was read from elsewhere, since it is damaged; NULL: nothing */
	char *log_path, *screen_path; /* NULL: not kept as files, or nothing was seen */
	char *receipt;		      /* the object's name, or the file's path; NULL: none */
};

void verify_result_release(struct verify_result *result);
const char *verify_verdict_text(enum verify_verdict verdict);

struct verify_options {
	const struct cancel *cancel;
	const char *state_dir, *cache_dir;
	uint64_t memory;	    /* of each machine; 0: as defined, within what is free */
	const char *accelerator;    /* as in run_request */
	const char *expect;	    /* POSIX extended expression for a line of the console; it alone counts then */
	bool agent_only;	    /* only an answer of the guest agent counts */
	bool accept_screen;	    /* a screen that is not black and stays as it is counts, too */
	unsigned timeout_s;	    /* 0: VERIFY_TIMEOUT_S, on the software CPU three times as long */
	unsigned jobs;		    /* machines at once; 0: by memory and processors */
	const char *evidence_dir;   /* keeps log and picture as files, too; may be NULL */
	const char *receipt_path;   /* where the receipts go, a folder when there are several points; NULL: into the
				       repository */
	runner_note_function *note; /* what was changed to make a machine fit; may be NULL */
	void (*done)(void *arg, const struct verify_result *result); /* of each as it ends; may be NULL */
	void (*status)(void *arg, const char *text); /* what runs, printable, some times a second; may be NULL */
	void *arg;
};

enum { VERIFY_TIMEOUT_S = 300 };

/*
 * results has n, is empty before, and is to be released one by one, on failure too: those that have a reason are
 * complete. True whatever the verdicts are.
 * ERR_USAGE, ERR_DENIED and ERR_EXISTS for options that could not lead to receipts, before anything is booted;
 * ERR_CANCELLED. done and status are called by the calling thread. Before the first call no other thread may run that
 * forks.
 */
NODISCARD bool verify_points(const struct repository *repository, const struct point *const *points, size_t n,
			     const struct verify_options *options, struct verify_result *results, struct err **errp);
