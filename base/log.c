/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"

enum { STATUS_SIZE = 512, LINE_SIZE = 16384 };

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

static int put_time(char *to, size_t size)
{
	char time[CLOCK_TEXT_SIZE];
	return atomic_load(&shows_times) ? snprintf(to, size, "%s ", clock_format(clock_now_ns(), time)) : 0;
}

/* Laid out first, and written at once: several processes write to the log of a machine. What is longer than a line may
 * be ends early. */
void log_write(enum log_level level, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	va_list args;
	char line[LINE_SIZE];
	size_t at = (size_t)put_time(line, sizeof(line));
	at += (size_t)snprintf(line + at, sizeof(line) - at, "%s", prefixes[level]);
	va_start(args, format);
	vsnprintf(line + at, sizeof(line) - at, format, args);
	va_end(args);
	pthread_mutex_lock(&lock);
	fprintf(stderr, "%s%s\n%s", status[0] ? erase_line : "", line, status);
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
