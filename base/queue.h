/* SPDX-License-Identifier: Apache-2.0 */
/* A bounded first-in, first-out queue of pointers between threads. It owns none of them. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct err;
struct queue;

/* Room for `capacity` pointers. NULL on lack of memory. */
NODISCARD struct queue *queue_new(size_t capacity, struct err **errp);
/* Nobody may wait in it any more. */
void queue_free(struct queue *queue);
DEFINE_AUTO_FREE(struct queue, queue_free);
/* Blocks while full. False when closed: the item stays with the caller. */
NODISCARD bool queue_put(struct queue *queue, void *item);
/* Blocks while empty. NULL when closed and empty. */
void *queue_take(struct queue *queue);
/* No further put; takers get what is left, then NULL. Wakes everybody. May be called twice. */
void queue_close(struct queue *queue);
