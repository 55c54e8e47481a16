/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt waits for QEMU as long as that takes. A thread of the guard's own kills QEMU at a given time, whoever waits
 * for it; every call of libvirt that waited comes back then.
 */
#pragma once

#include <stdint.h>

#include "base/compiler.h"

struct err;
struct run_guard;

/* Kills the QEMU of that machine's folder at end_ns (monotonic), once, after it called `killing`. path is borrowed. */
NODISCARD struct run_guard *run_guard_start(const char *path, uint64_t end_ns, void (*killing)(void *arg), void *arg,
					    struct err **errp);
/* NULL is fine. */
void run_guard_stop(struct run_guard *guard);
