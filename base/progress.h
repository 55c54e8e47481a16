/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a long task is: counters that any thread adds to, and one line on a terminal, with rate and time left,
 * redrawn four times a second by a thread of its own. Silent when standard error is no terminal, unless forced: then a
 * new line every two seconds.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;

struct progress {
	atomic_uint_fast64_t total; /* bytes to be looked at; 0 while unknown */
	atomic_uint_fast64_t done;  /* bytes looked at */
	atomic_uint_fast64_t extra; /* bytes stored or written, shown behind; 0 is not shown */
};

struct progress_line;

/*
 * verb as "web01: backing up", extra_word as "stored". Both borrowed until the end. NULL without an error when
 * there is nothing to show it on; that is fine below.
 */
NODISCARD struct progress_line *progress_line_start(struct progress *progress, const char *verb, const char *extra_word,
						    bool force, struct err **errp);
/* Clears the line and ends the thread. */
void progress_line_end(struct progress_line *line);
/* "1.4 GiB", "812 KiB", "17 B"; returns text. */
#define PROGRESS_SIZE_TEXT 24
char *progress_size_text(uint64_t bytes, char text[PROGRESS_SIZE_TEXT]);
