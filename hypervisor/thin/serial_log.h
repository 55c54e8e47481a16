/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file with what the guest said on its serial line. The guest may say as much as it wants: at SERIAL_LOG_MAX bytes
 * the file begins anew, with the last SERIAL_LOG_KEPT of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;

#define SERIAL_LOG_MAX (UINT64_C(64) << 20)
#define SERIAL_LOG_KEPT (UINT64_C(1) << 20)

struct serial_log {
	int fd;		  /* -1: there is none */
	const char *path; /* for messages; borrowed */
	uint64_t size;	  /* of what was written whole */
	bool failed;	  /* the last could not be written, and that was told */
};

/* Appends to the file, which is made where there is none. path is borrowed; NULL: writes nowhere. */
NODISCARD bool serial_log_open(struct serial_log *log, const char *path, struct err **errp);
void serial_log_close(struct serial_log *log);
/* By one thread at a time. It is no reason for a guest to wait when that fails: what it said is lost then, and the
 * next is tried again. Told once, in the log, until it works again. */
void serial_log_append(struct serial_log *log, const uint8_t *data, size_t size);
