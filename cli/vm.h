/* SPDX-License-Identifier: Apache-2.0 */
/* What 'salvor vm' does, one file each, and what these share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "cli/context.h"
#include "hypervisor/machines/machines.h"
#include "storage/point.h"

/* The machine is there where it is not NULL. */
typedef bool vm_function(struct context *context, const struct thin_machine *machine, struct err **errp);

vm_function vm_create, vm_start, vm_stop, vm_list, vm_console, vm_delete;

/* The result of a subverb that has nothing else to tell: a sentence that names the machine, or {machine, state, pid};
 * pid 0 is left out. */
NODISCARD bool vm_report(struct context *context, const char *name, const char *state, pid_t pid, const char *sentence,
			 struct err **errp);

/* Where the machine waits for its disks, the reason is then one that names the repository. */
void vm_reword(const struct thin_machine *machine, struct thin_look *look);

/* What a point says of its machine. */
struct vm_point_shape {
	uint64_t memory; /* 0: nothing */
	unsigned vcpus;	 /* 0: nothing */
};

/* ERR_UNSUPPORTED where it has no disk, or starts by firmware that the thin hypervisor does not have. */
NODISCARD bool vm_point_look(const struct repository *repository, const struct point *point, struct vm_point_shape *ret,
			     struct err **errp);

/*
 * Starts a machine whose disks are a point's, or lets it go on, and returns when it runs: a process of its own holds
 * the repository open and serves the disks from then on, as long as the machine runs.
 * ERR_CANCELLED.
 */
NODISCARD bool vm_keeper_start(struct context *context, const struct thin_machine *machine, pid_t *ret_pid,
			       struct err **errp);
/* Such a process is there, whatever it can reach just now. */
bool vm_keeper_is_there(const struct thin_machine *machine);
