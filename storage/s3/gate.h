/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many requests are in flight. It begins with a few; each round without trouble adds one, and a service that
 * throttles halves them and makes all wait a moment. Thread-safe.
 */
#pragma once

#include <pthread.h>
#include <stdint.h>

struct cancel;

enum s3_passage { S3_PASSED, S3_THROTTLED, S3_TROUBLED };

struct s3_gate {
	const struct cancel *cancel; /* once requested, nobody waits for a moment to pass; NULL */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned in_flight, limit, passed;
	uint64_t opens_ns, throttled_ns; /* on the monotonic clock */
};

void s3_gate_init(struct s3_gate *gate, const struct cancel *cancel);
void s3_gate_release(struct s3_gate *gate);
/* Blocks until it is our turn. */
void s3_gate_enter(struct s3_gate *gate);
/* wait_ns: how long the service asked all to wait when it throttled; 0 when it did not say. */
void s3_gate_leave(struct s3_gate *gate, enum s3_passage passage, uint64_t wait_ns);
