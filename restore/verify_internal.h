/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of verifying share. */
#pragma once

#include "restore/verify.h"
#include "restore/verify_watch.h"

/* One run over all points. */
struct verifier {
	const struct repository *repository;
	const struct verify_options *options;
	struct runner *runner;
	struct judge_rules rules;
	const char *accelerator;
	uint64_t memory_max; /* of one machine */
	bool receipts_are_many;
};

/* One point of it. */
struct verify_task {
	const struct point *point;
	struct verify_result *result;
	pthread_mutex_t lock;	    /* of watch */
	struct verify_watch *watch; /* while it runs */
};

/* verify_one.c: fills the result. False only for what ends the whole run, as ERR_CANCELLED. */
NODISCARD bool verify_one(const struct verifier *verifier, struct verify_task *task, unsigned slot, struct err **errp);

/* What was seen; bytes are empty where there is nothing. */
struct verify_evidence {
	struct bytes log, screen; /* screen: a PNG */
	uint64_t log_total;
	uint64_t started_ns, ended_ns; /* realtime */
	struct trace trace;	       /* empty where it did not become ready */
};

void verify_evidence_release(struct verify_evidence *evidence);

/* verify_receipt.c: both note in the result where it went. */
NODISCARD bool verify_write_receipt(const struct verifier *verifier, const struct judge *judge,
				    const struct verify_evidence *evidence, struct verify_result *result,
				    struct err **errp);
NODISCARD bool verify_write_evidence(const struct verifier *verifier, const struct verify_evidence *evidence,
				     struct verify_result *result, struct err **errp);
/* Beside the receipt. That it cannot be kept is told, and fails nothing. */
void verify_keep_trace(const struct verifier *verifier, const struct trace *trace, const struct verify_result *result);
/* Whether all of that can be written, before anything is booted. */
NODISCARD bool verify_check_places(const struct verifier *verifier, const struct point *const *points, size_t n,
				   struct err **errp);
