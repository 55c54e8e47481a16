/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/gate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"

enum { LIMIT_FIRST = 16, LIMIT_MAX = 64, SLICE_MS = 100 };

#define SECOND_NS UINT64_C(1000000000)

void s3_gate_init(struct s3_gate *gate, const struct cancel *cancel)
{
	*gate = (struct s3_gate){.cancel = cancel, .limit = LIMIT_FIRST};
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_mutex_init(&gate->lock, NULL);
	pthread_cond_init(&gate->changed, &attributes);
	pthread_condattr_destroy(&attributes);
}

void s3_gate_release(struct s3_gate *gate)
{
	pthread_cond_destroy(&gate->changed);
	pthread_mutex_destroy(&gate->lock);
}

/* A signal sets the flag and wakes nobody, so the wait is in slices. */
static void wait_a_slice(struct s3_gate *gate, uint64_t now)
{
	const uint64_t slice = now + SLICE_MS * SECOND_NS / 1000;
	const uint64_t until = gate->opens_ns < slice ? gate->opens_ns : slice;
	const struct timespec time = {.tv_sec = (time_t)(until / SECOND_NS), .tv_nsec = (long)(until % SECOND_NS)};
	pthread_cond_timedwait(&gate->changed, &gate->lock, &time);
}

static bool is_cancelled(const struct s3_gate *gate)
{
	return gate->cancel && cancel_requested(gate->cancel);
}

void s3_gate_enter(struct s3_gate *gate)
{
	pthread_mutex_lock(&gate->lock);
	for (;;) {
		const uint64_t now = clock_monotonic_ns();
		if (gate->in_flight >= gate->limit)
			pthread_cond_wait(&gate->changed, &gate->lock);
		else if (now < gate->opens_ns && !is_cancelled(gate))
			wait_a_slice(gate, now);
		else
			break;
	}
	gate->in_flight++;
	pthread_mutex_unlock(&gate->lock);
}

/* Those that were in flight together are throttled together: that counts once. */
static void throttle(struct s3_gate *gate, uint64_t wait_ns)
{
	const uint64_t now = clock_monotonic_ns();
	const uint64_t jitter = SECOND_NS / 10 + arc4random_uniform(SECOND_NS / 2);
	const uint64_t opens = now + (wait_ns > 0 ? wait_ns : jitter);
	gate->passed = 0;
	if (gate->opens_ns < opens)
		gate->opens_ns = opens;
	if (now - gate->throttled_ns < SECOND_NS)
		return;
	gate->throttled_ns = now;
	gate->limit = gate->limit > 1 ? gate->limit / 2 : 1;
}

void s3_gate_leave(struct s3_gate *gate, enum s3_passage passage, uint64_t wait_ns)
{
	pthread_mutex_lock(&gate->lock);
	gate->in_flight--;
	if (passage == S3_THROTTLED)
		throttle(gate, wait_ns);
	else if (passage == S3_PASSED && ++gate->passed >= gate->limit && gate->limit < LIMIT_MAX) {
		gate->passed = 0;
		gate->limit++;
	}
	pthread_cond_broadcast(&gate->changed);
	pthread_mutex_unlock(&gate->lock);
}
