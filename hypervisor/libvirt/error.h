/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt's errors become ours here, and nowhere else. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;

/*
 * Sets "text: what libvirt said last in this thread". Called at once after the failed call, before any other of
 * libvirt. The code follows from libvirt's. Returns false.
 */
bool err_from_virt(struct err **errp, const char *format, ...) PRINTF_LIKE(2, 3);
