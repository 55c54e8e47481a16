/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/compiler.h"
#include "base/progress.h"

char *progress_size_text(uint64_t bytes, char text[PROGRESS_SIZE_TEXT])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes;
	size_t unit = 0;
	for (; value >= 1023.5 && unit + 1 < ARRAY_LENGTH(units); unit++)
		value /= 1024;
	int decimals = unit > 0 && value < 9.95 ? 1 : 0;
	snprintf(text, PROGRESS_SIZE_TEXT, "%.*f %s", decimals, value, units[unit]);
	return text;
}

void progress_window_add(struct progress_window *window, uint64_t ns, uint64_t done)
{
	window->samples[window->next].ns = ns;
	window->samples[window->next].done = done;
	window->next = (window->next + 1) % PROGRESS_SAMPLES;
	if (window->count < PROGRESS_SAMPLES)
		window->count++;
}

uint64_t progress_window_rate(const struct progress_window *window)
{
	if (window->count < 2)
		return 0;
	size_t newest = (window->next + PROGRESS_SAMPLES - 1) % PROGRESS_SAMPLES;
	size_t oldest = (window->next + PROGRESS_SAMPLES - window->count) % PROGRESS_SAMPLES;
	uint64_t ns = window->samples[newest].ns - window->samples[oldest].ns;
	uint64_t done = window->samples[newest].done - window->samples[oldest].done;
	return ns == 0 ? 0 : (uint64_t)((double)done * 1e9 / (double)ns);
}

struct line {
	char *text;
	size_t len;
};

static void PRINTF_LIKE(2, 3) line_add(struct line *line, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int len = vsnprintf(line->text + line->len, PROGRESS_LINE_SIZE - line->len, format, args);
	va_end(args);
	if (len > 0)
		line->len += (size_t)len;
	if (line->len >= PROGRESS_LINE_SIZE)
		line->len = PROGRESS_LINE_SIZE - 1;
}

/* "  42%  3.4 of 8.0 GiB", or only what was done while nobody knows of how much. */
static void add_amount(struct line *line, const struct progress_view *view)
{
	char done[PROGRESS_SIZE_TEXT], total[PROGRESS_SIZE_TEXT];
	progress_size_text(view->done, done);
	if (view->total == 0) {
		line_add(line, "  %s", done);
		return;
	}
	/* 100% is said at the end only. */
	double percent = view->done >= view->total ? 100 : 99.9 * (double)view->done / (double)view->total;
	line_add(line, "  %3d%%  %s of %s", (int)percent, done, progress_size_text(view->total, total));
}

static void add_time_left(struct line *line, uint64_t seconds)
{
	uint64_t hours = seconds / 3600, minutes = seconds / 60 % 60;
	if (hours > 0)
		line_add(line, "  %" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left", hours, minutes, seconds % 60);
	else
		line_add(line, "  %" PRIu64 ":%02" PRIu64 " left", minutes, seconds % 60);
}

void progress_describe(const struct progress_view *view, size_t columns, char text[PROGRESS_LINE_SIZE])
{
	struct line line = {.text = text};
	char size[PROGRESS_SIZE_TEXT];
	line_add(&line, "%s", view->verb);
	add_amount(&line, view);
	if (view->rate > 0)
		line_add(&line, "  %s/s", progress_size_text(view->rate, size));
	if (view->rate > 0 && view->done < view->total)
		add_time_left(&line, (view->total - view->done) / view->rate + 1);
	if (view->extra > 0)
		line_add(&line, "  %s %s", view->extra_word, progress_size_text(view->extra, size));
	if (columns > 0 && line.len > columns)
		text[columns] = '\0';
}
