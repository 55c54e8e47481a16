/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"

enum { STATUS_SIZE = 512 };

static atomic_bool shows_times;
static atomic_int least_important = LOG_INFO;

/* Standard error is one for the whole process, so are its lock and the status line at its bottom. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char status[STATUS_SIZE];

static const char *const prefixes[] = {
	[LOG_ERROR] = "salvor: error: ",
	[LOG_WARNING] = "salvor: warning: ",
	[LOG_INFO] = "salvor: ",
	[LOG_DEBUG] = "salvor: debug: ",
};

static const char erase_line[] = "\r\033[K";

void log_set_level(enum log_level level)
{
	atomic_store(&least_important, (int)level);
}

bool log_enabled(enum log_level level)
{
	return (int)level <= atomic_load(&least_important);
}

void log_show_times(void)
{
	char text[CLOCK_TEXT_SIZE];
	clock_format(0, text); /* the first time it reads a file */
	atomic_store(&shows_times, true);
}

static void begin_line(enum log_level level)
{
	char time[CLOCK_TEXT_SIZE];
	if (status[0])
		fputs(erase_line, stderr);
	if (atomic_load(&shows_times))
		fprintf(stderr, "%s ", clock_format(clock_now_ns(), time));
	fputs(prefixes[level], stderr);
}

void log_write(enum log_level level, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	va_list args;
	pthread_mutex_lock(&lock);
	flockfile(stderr);
	begin_line(level);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n%s", status);
	funlockfile(stderr);
	pthread_mutex_unlock(&lock);
}

void log_set_status(const char *text)
{
	pthread_mutex_lock(&lock);
	bool shown = status[0] != '\0';
	snprintf(status, sizeof(status), "%s", text ? text : "");
	if (shown || status[0])
		fprintf(stderr, "%s%s", erase_line, status);
	fflush(stderr);
	pthread_mutex_unlock(&lock);
}
