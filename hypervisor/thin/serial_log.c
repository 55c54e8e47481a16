/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/serial_log.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"

enum { COPY_SIZE = 16384 };

bool serial_log_open(struct serial_log *log, const char *path, struct err **errp)
{
	*log = (struct serial_log){.fd = -1, .path = path};
	if (!path)
		return true;
	log->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	off_t size = log->fd >= 0 ? lseek(log->fd, 0, SEEK_END) : -1;
	if (size < 0)
		return err_set_errno(errp, errno, "log %s", path);
	log->size = (uint64_t)size;
	return true;
}

void serial_log_close(struct serial_log *log)
{
	file_closep(&log->fd);
}

/* The end of the file becomes all of it. Its beginning is far from its end, so that nothing is read that was
 * overwritten. */
static bool begin_anew(struct serial_log *log)
{
	uint8_t data[COPY_SIZE];
	uint64_t from = log->size - SERIAL_LOG_KEPT;
	for (uint64_t at = 0; at < SERIAL_LOG_KEPT; at += COPY_SIZE)
		if (pread(log->fd, data, COPY_SIZE, (off_t)(from + at)) != COPY_SIZE ||
		    pwrite(log->fd, data, COPY_SIZE, (off_t)at) != COPY_SIZE)
			return false;
	if (ftruncate(log->fd, (off_t)SERIAL_LOG_KEPT) != 0)
		return false;
	log->size = SERIAL_LOG_KEPT;
	return true;
}

/* Whole or not at all: a part of it is overwritten by what comes next. */
static bool append(struct serial_log *log, const uint8_t *data, size_t size)
{
	if (log->size >= SERIAL_LOG_MAX && !begin_anew(log))
		return false;
	errno = ENOSPC; /* of a write that stops short */
	if (pwrite(log->fd, data, size, (off_t)log->size) != (ssize_t)size)
		return false;
	log->size += size;
	return true;
}

void serial_log_append(struct serial_log *log, const uint8_t *data, size_t size)
{
	if (log->fd < 0)
		return;
	bool failed = !append(log, data, size);
	if (failed && !log->failed)
		log_warning(
			"%s cannot be written: %s; what the guest says on its serial line is lost until it can: make "
			"room there",
			log->path, strerror(errno));
	else if (!failed && log->failed)
		log_info("%s is written again", log->path);
	log->failed = failed;
}
