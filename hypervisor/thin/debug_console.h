/* SPDX-License-Identifier: Apache-2.0 */
/* Port 0x402, at which firmware tells what it does (QEMU's debug console, docs/specs). Its end is kept as evidence. */
#pragma once

#include <stddef.h>

#include "base/compiler.h"

struct board;
struct debug_console;
struct err;

enum { DEBUG_CONSOLE_PORT = 0x402, DEBUG_CONSOLE_KEPT = 4096 };

NODISCARD struct debug_console *debug_console_new(const struct board *board, struct err **errp);
void debug_console_free(struct debug_console *console);
DEFINE_AUTO_FREE(struct debug_console, debug_console_free);
void debug_console_reset(struct debug_console *console);
/* The last bytes that were told, as many as fit, and a NUL; what is no text is '.'. Any thread. Returns the length. */
size_t debug_console_text(struct debug_console *console, char *ret_text, size_t size);
