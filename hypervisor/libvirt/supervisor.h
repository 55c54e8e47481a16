/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that outlives ours by a moment, whatever ended us: when the pipe that we hold closes, it ends the run's
 * QEMU and removes its folders. Nothing is said over the pipe; that it closes is the message.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"

struct err;

struct supervisor {
	pid_t pid;
	int pipe;
};

/* `folder` as of run_folder. */
NODISCARD bool supervisor_start(const char *folder, struct supervisor *ret, struct err **errp);
/* Closes the pipe and waits until everything is gone. */
void supervisor_end(struct supervisor *supervisor);
