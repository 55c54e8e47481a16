/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording what clients of the NBD server read: the server puts each chunk that is read for the first time at the end
 * of a file without a name, which the program that started it made, and reads when the machine is ready.
 */
#pragma once

#include "storage/trace.h"

struct trace_recorder;

/* For the server: fd is borrowed. */
NODISCARD struct trace_recorder *trace_recorder_new(int fd, const struct point *point, struct err **errp);
void trace_recorder_free(struct trace_recorder *recorder);
DEFINE_AUTO_FREE(struct trace_recorder, trace_recorder_free);
/* Somebody reads bytes of that stream of the point. Thread-safe. NULL is fine. */
void trace_recorder_note(struct trace_recorder *recorder, size_t stream, uint64_t offset, uint64_t len);

/* For the program: the file; the caller closes it. Its number stands in nobody's way among those of a child. */
NODISCARD bool trace_record_file(int *ret_fd, struct err **errp);
/* What was recorded until now. */
NODISCARD bool trace_record_read(int fd, struct trace *ret, struct err **errp);
