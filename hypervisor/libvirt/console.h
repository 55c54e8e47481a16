/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The serial console of a machine, relayed by a thread of its own. A terminal is put into raw mode meanwhile; Ctrl-]
 * ends. QEMU connects to our socket, so that nothing that the guest says early is lost. Whoever uses this ignores
 * SIGPIPE.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "hypervisor/runner.h"

struct err;
struct console;

/* Where it goes. in and out as in run_request; watcher may be NULL, and is borrowed until console_stop(). */
struct console_ends {
	int in, out;
	enum run_voice voice;
	const struct run_watcher *watcher;
};

/* Listens at `path`. */
NODISCARD struct console *console_start(const char *path, const struct console_ends *ends, struct err **errp);
/* Becomes readable when the escape was typed; borrowed. */
int console_escaped_fd(const struct console *console);
/* Gives the terminal back. NULL is fine. */
void console_stop(struct console *console);
