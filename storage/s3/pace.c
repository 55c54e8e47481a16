/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/pace.h"

#include <time.h>

#include "base/clock.h"

enum { SECOND_NS = 1000000000, PIECES_PER_SECOND = 20 };

void s3_pace_init(struct s3_pace *pace, uint64_t rate)
{
	*pace = (struct s3_pace){.rate = rate};
	pthread_mutex_init(&pace->lock, NULL);
}

void s3_pace_release(struct s3_pace *pace)
{
	pthread_mutex_destroy(&pace->lock);
}

size_t s3_pace_piece(const struct s3_pace *pace, size_t wanted)
{
	const uint64_t most = pace->rate / PIECES_PER_SECOND + 1;
	return pace->rate > 0 && wanted > most ? (size_t)most : wanted;
}

static uint64_t time_of(size_t len, uint64_t rate)
{
	return (uint64_t)((double)len * SECOND_NS / (double)rate);
}

void s3_pace_wait(struct s3_pace *pace, size_t len)
{
	if (pace->rate == 0 || len == 0)
		return;
	const uint64_t now = clock_monotonic_ns();
	pthread_mutex_lock(&pace->lock);
	if (pace->free_at_ns < now)
		pace->free_at_ns = now;
	pace->free_at_ns += time_of(len, pace->rate);
	const uint64_t until = pace->free_at_ns;
	pthread_mutex_unlock(&pace->lock);
	const struct timespec time = {.tv_sec = (time_t)(until / SECOND_NS), .tv_nsec = (long)(until % SECOND_NS)};
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}
