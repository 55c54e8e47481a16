/* SPDX-License-Identifier: Apache-2.0 */
/* What a block device tells of those who use it. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Mounted, or part of something that is. */
bool device_is_in_use(const char *path);
/* Grows with each write and discard that reached it; those that still wait in memory are sent there first. fd is open
 * on it. Always 0 where the kernel does not count. */
uint64_t device_count_writes(int fd, dev_t device);
