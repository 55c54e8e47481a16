/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protecting one workload once: opens a session, has the engine cut, reads what changed through the pipeline, commits
 * a point, and only then lets the engine forget the old change map.
 */
#pragma once

#include "base/cancel.h"
#include "base/progress.h"
#include "hypervisor/engine.h"
#include "storage/point.h"
#include "storage/repository.h"

struct backup_options {
	const struct cancel *cancel;
	struct progress *progress; /* may be NULL */
	bool full;		   /* read everything, even where changes are tracked */
	unsigned freeze_timeout_s;
	const char *spill_dir;
	uint64_t spill_limit;
	/* One sentence a call for people: what was left out, weaker consistency, fallbacks. */
	void (*note)(void *arg, const char *text);
	void *note_arg;
};

struct backup_result {
	uint8_t point[POINT_ID_SIZE];
	char *workload;
	bool full;		     /* everything was read */
	const char *fallback_reason; /* static; NULL on a first backup and when changes were tracked */
	enum consistency consistency;
	bool needs_attention; /* exit status 3: attention says why */
	char *attention;
	uint64_t bytes_scanned, bytes_changed, bytes_stored;
	uint64_t bytes_checked; /* of chunks said to be unchanged that were read again and compared */
	double seconds;
};

/* ERR_BUSY when the workload is being backed up already. Any failure or cancellation leaves all earlier points and the
 * change map as they were. */
NODISCARD bool backup_run(struct repository *repository, struct engine *engine, const char *workload,
			  const struct backup_options *options, struct backup_result *ret, struct err **errp);
void backup_result_release(struct backup_result *result);
