/* SPDX-License-Identifier: Apache-2.0 */
/* What a progress line says, apart from when and where it is drawn. Of base/progress only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { PROGRESS_SAMPLES = 40, PROGRESS_LINE_SIZE = 256 };

/* How much was done when, over the last ten seconds of redrawing. The rate is that of this window, not of the whole. */
struct progress_window {
	struct {
		uint64_t ns, done;
	} samples[PROGRESS_SAMPLES];
	size_t count, next;
};

void progress_window_add(struct progress_window *window, uint64_t ns, uint64_t done);
/* Bytes a second; 0 while unknown. */
uint64_t progress_window_rate(const struct progress_window *window);

struct progress_view {
	const char *verb, *extra_word;
	uint64_t total, done, extra, rate;
};

/* One line without newline, of at most `columns` bytes where columns is not 0. */
void progress_describe(const struct progress_view *view, size_t columns, char text[PROGRESS_LINE_SIZE]);
