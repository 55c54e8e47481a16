/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/compiler.h"

struct err;
struct thin_machine;

/* Writes the file pid. The process lives, or was not waited for yet. */
NODISCARD bool thin_machine_write_pid(const struct thin_machine *machine, pid_t pid, struct err **errp);
