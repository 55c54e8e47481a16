/* SPDX-License-Identifier: Apache-2.0 */
/* A point that runs: an NBD server for its disks, and a machine on it. Throw-away; nothing of either stays. */
#pragma once

#include "hypervisor/runner.h"
#include "restore/export.h"
#include "storage/point.h"
#include "storage/repository.h"
#include "storage/trace.h"

struct machine;

struct machine_options {
	const struct cancel *cancel; /* for its start; may be NULL */
	unsigned slot;		     /* another one for each machine that runs at once in a runner */
	const char *state_dir;
	const char *overlay_dir; /* NULL: $TMPDIR or /var/tmp */
	uint64_t memory, memory_max;
	bool network;
	bool record; /* what it reads, for machine_trace() */
	const char *accelerator;
	int console_in, console_out;
	const struct run_watcher *watcher;
	runner_note_function *note; /* what was changed to make it fit; may be NULL */
	void *note_arg;
	export_complaint_function *complain; /* what could not be read, or was read from elsewhere; may be NULL */
	void *complain_arg;
	atomic_bool *met_damage; /* as in export_options */
};

/* ERR_CORRUPT when the point is damaged where it is read; ERR_CANCELLED. The thread that calls this must live until
 * machine_stop(). */
NODISCARD struct machine *machine_start(struct runner *runner, const struct repository *repository,
					const struct point *point, const struct machine_options *options,
					struct err **errp);
struct run *machine_run(const struct machine *machine);
/* Whether its disks are still served. */
bool machine_is_served(const struct machine *machine);
/* What it has read until now; an empty one where that was not, or could not be recorded. */
void machine_trace(const struct machine *machine, struct trace *ret);
/* NULL is fine. */
void machine_stop(struct machine *machine);
