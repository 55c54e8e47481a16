/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

enum { STATUS_SIZE = 512 };

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

void log_write(enum log_level level, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	va_list args;
	va_start(args, format);
	pthread_mutex_lock(&lock);
	flockfile(stderr);
	fprintf(stderr, "%s%s", status[0] ? erase_line : "", prefixes[level]);
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n%s", status);
	funlockfile(stderr);
	pthread_mutex_unlock(&lock);
	va_end(args);
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
