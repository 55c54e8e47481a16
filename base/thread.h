/* SPDX-License-Identifier: Apache-2.0 */
/* How Salvor starts a thread: with a name, and deaf to SIGINT and SIGTERM, so that the main thread's waiting ends. */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/compiler.h"

struct err;

/* At most 15 letters of name are shown by the system. */
NODISCARD bool thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg), void *arg,
			    struct err **errp);
