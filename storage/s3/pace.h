/* SPDX-License-Identifier: Apache-2.0 */
/* --limit-rate: all connections together move at most so many bytes a second, in both directions. Thread-safe. */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

struct s3_pace {
	uint64_t rate; /* bytes a second; 0: no limit */
	pthread_mutex_t lock;
	uint64_t free_at_ns; /* when all that was let through has gone, on the monotonic clock */
};

void s3_pace_init(struct s3_pace *pace, uint64_t rate);
void s3_pace_release(struct s3_pace *pace);
/* The most that is to be moved between two calls, so that no connection is silent for long; at least 1. */
size_t s3_pace_piece(const struct s3_pace *pace, size_t wanted);
/* After len bytes were moved: blocks until that was their time. */
void s3_pace_wait(struct s3_pace *pace, size_t len);
