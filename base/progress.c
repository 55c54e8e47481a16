/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/progress_text.h"
#include "base/thread.h"

enum {
	TICK_NS = 250 * 1000 * 1000,
	TICKS_PER_PLAIN_LINE = 8,
};

struct progress_line {
	struct progress *progress;
	const char *verb, *extra_word;
	bool on_terminal;
	struct progress_window window; /* of the drawing thread only */
	pthread_t thread;
	pthread_mutex_t lock; /* of ended */
	pthread_cond_t wake;
	bool ended;
};

static size_t terminal_columns(void)
{
	struct winsize size;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 2)
		return 0;
	return size.ws_col - 1U; /* a full last column makes some terminals wrap */
}

static void draw(struct progress_line *line)
{
	char text[PROGRESS_LINE_SIZE];
	struct progress_view view = {
		.verb = line->verb,
		.extra_word = line->extra_word,
		.total = atomic_load_explicit(&line->progress->total, memory_order_relaxed),
		.done = atomic_load_explicit(&line->progress->done, memory_order_relaxed),
		.extra = atomic_load_explicit(&line->progress->extra, memory_order_relaxed),
	};
	progress_window_add(&line->window, clock_monotonic_ns(), view.done);
	view.rate = progress_window_rate(&line->window);
	progress_describe(&view, line->on_terminal ? terminal_columns() : 0, text);
	if (line->on_terminal)
		log_set_status(text);
	else
		log_info("%s", text);
}

/* Waits for the next tick; false once the line is to end. */
static bool wait_tick(struct progress_line *line)
{
	uint64_t until = clock_monotonic_ns() + TICK_NS;
	struct timespec deadline = {.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
	pthread_mutex_lock(&line->lock);
	int outcome = 0;
	while (!line->ended && outcome == 0)
		outcome = pthread_cond_timedwait(&line->wake, &line->lock, &deadline);
	bool go_on = !line->ended;
	pthread_mutex_unlock(&line->lock);
	return go_on;
}

static void *progress_thread(void *arg)
{
	struct progress_line *line = arg;
	unsigned ticks_per_draw = line->on_terminal ? 1 : TICKS_PER_PLAIN_LINE;
	for (unsigned tick = 0; wait_tick(line); tick++)
		if (tick % ticks_per_draw == 0)
			draw(line);
	if (line->on_terminal)
		log_set_status(NULL);
	else
		draw(line); /* how it ended */
	return NULL;
}

static void progress_line_free(struct progress_line *line)
{
	pthread_cond_destroy(&line->wake);
	pthread_mutex_destroy(&line->lock);
	free(line);
}

static struct progress_line *progress_line_new(void)
{
	struct progress_line *line = calloc(1, sizeof(*line));
	if (!line)
		return NULL;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&line->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&line->lock, NULL);
	return line;
}

struct progress_line *progress_line_start(struct progress *progress, const char *verb, const char *extra_word,
					  bool force, struct err **errp)
{
	bool on_terminal = isatty(STDERR_FILENO) == 1;
	if (!on_terminal && !force)
		return NULL;
	struct progress_line *line = progress_line_new();
	if (!line) {
		err_set_no_memory(errp);
		return NULL;
	}
	line->progress = progress;
	line->verb = verb;
	line->extra_word = extra_word;
	line->on_terminal = on_terminal;
	if (!thread_start(&line->thread, "progress", progress_thread, line, errp)) {
		progress_line_free(line);
		return NULL;
	}
	return line;
}

void progress_line_end(struct progress_line *line)
{
	if (!line)
		return;
	pthread_mutex_lock(&line->lock);
	line->ended = true;
	pthread_cond_signal(&line->wake);
	pthread_mutex_unlock(&line->lock);
	pthread_join(line->thread, NULL);
	progress_line_free(line);
}
