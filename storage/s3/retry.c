/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/retry.h"

#include <stdlib.h>
#include <time.h>

#include "base/cancel.h"
#include "base/clock.h"

#define MS_NS UINT64_C(1000000)
/* Longer than silence is borne: what takes longer moved something, and a slow network is not to be out of patience. */
#define TRY_COUNTS_NS (45000 * MS_NS)

enum { FIRST_MS = 100, LONGEST_MS = 20000, SLICE_MS = 100 };

void s3_retry_init(struct s3_retry *retry, uint64_t patience_ns, const struct cancel *cancel)
{
	*retry = (struct s3_retry){.cancel = cancel, .began_ns = clock_monotonic_ns(), .patience_ns = patience_ns};
}

static uint32_t delay_ms(unsigned attempts)
{
	const uint32_t most = attempts < 8 ? (uint32_t)FIRST_MS << attempts : LONGEST_MS;
	return arc4random_uniform((most < LONGEST_MS ? most : LONGEST_MS) + 1);
}

static bool is_cancelled(const struct s3_retry *retry)
{
	return retry->cancel && cancel_requested(retry->cancel);
}

bool s3_retry_wait(struct s3_retry *retry)
{
	const uint64_t now = clock_monotonic_ns(), delay = delay_ms(retry->attempts++) * MS_NS, until = now + delay;
	const uint64_t tried = now - retry->began_ns;
	retry->spent_ns += delay + (tried < TRY_COUNTS_NS ? tried : TRY_COUNTS_NS);
	if (retry->spent_ns > retry->patience_ns)
		return false;
	for (uint64_t at = now; at < until && !is_cancelled(retry); at = clock_monotonic_ns()) {
		const uint64_t left = until - at < SLICE_MS * MS_NS ? until - at : SLICE_MS * MS_NS;
		const struct timespec slice = {.tv_nsec = (long)left};
		nanosleep(&slice, NULL);
	}
	retry->began_ns = clock_monotonic_ns();
	return !is_cancelled(retry);
}
