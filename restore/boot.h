/* SPDX-License-Identifier: Apache-2.0 */
/* Booting a point: an export for its disks, a runner for its machine, and nothing left of either afterwards. */
#pragma once

#include "base/cancel.h"
#include "hypervisor/runner.h"
#include "storage/point.h"
#include "storage/repository.h"

struct boot_options {
	const struct cancel *cancel;
	const char *state_dir, *cache_dir;
	const char *overlay_dir; /* NULL: $TMPDIR or /var/tmp */
	uint64_t memory;
	bool network;
	const char *accelerator;
	int console_in, console_out;
	runner_note_function *note;
	void *note_arg;
	/* Called once when the machine has started; may be NULL. */
	void (*started)(void *arg, uint64_t ns_since_call);
};

/* Runs until the guest powers off, the console's escape is typed, or cancel: ERR_CANCELLED before the machine runs, and
 * none behind that, since it is the way to end it. */
NODISCARD bool boot_point(const struct repository *repository, const struct point *point,
			  const struct boot_options *options, struct err **errp);
