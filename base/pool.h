/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group of threads that run the same function, and the first error among them. The function runs once in
 * each thread (it usually loops over a queue). When one fails, `on_failure` is called once, to close the
 * queues that others wait in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct err;
struct pool;

typedef bool pool_function(void *arg, struct err **errp);

/*
 * Starts n threads named `name` (at most 15 letters). on_failure gets arg. It is also called when a later thread cannot
 * be started, and may be NULL only where no thread waits for anybody.
 */
NODISCARD struct pool *pool_start(const char *name, size_t n, pool_function *run, void (*on_failure)(void *arg),
				  void *arg, struct err **errp);
/* Waits for all threads, frees the pool (NULL is fine: true), and gives the first error. */
NODISCARD bool pool_join(struct pool *pool, struct err **errp);
/* Processors this process may use, at least 1. */
size_t pool_processors(void);
