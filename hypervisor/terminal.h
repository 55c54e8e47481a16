/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A person at the console of a guest: what is typed goes to the guest as it is, and Ctrl-] leaves. Whoever uses this
 * ignores SIGPIPE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

#include "base/compiler.h"

struct terminal {
	int fd; /* in raw mode; -1: none */
	struct termios before;
};

/* Nothing, where fd is not a terminal. */
void terminal_enter(struct terminal *terminal, int fd);
void terminal_leave(struct terminal *terminal);
/* How many of the typed bytes are the guest's: those before Ctrl-], if that is among them. */
size_t terminal_typed(const char *data, size_t len, bool *ret_leaves);
/* All of it, to the terminal or to the guest; false where nobody takes it any more. Blocks. */
NODISCARD bool terminal_write(int fd, const char *data, size_t len);
