/* SPDX-License-Identifier: Apache-2.0 */
/* Lines for people on standard error. Libraries log at debug only; who reports is main() or a job loop. Thread-safe. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* The least important level that is still written; LOG_INFO at start. */
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
void log_write(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);

/* From now on each line begins with the time, as "2026-11-22T07:00:00Z ": for files. Not after jail. */
void log_show_times(void);

/*
 * The one line at the bottom of a terminal that is redrawn in place, and stays below what log_write() writes; NULL or
 * "" takes it away. Only one at a time owns it, base/progress or a verb with a line of its own, and only when standard
 * error is a terminal.
 */
void log_set_status(const char *text);

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_write(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)
