/* SPDX-License-Identifier: Apache-2.0 */
/* libvirt's events, and its keepalive, are served by one thread of ours that lives as long as the process. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;

/* Must have returned true before the first connection is opened. May be called again, and by any thread. */
NODISCARD bool event_loop_start(struct err **errp);
