/* SPDX-License-Identifier: Apache-2.0 */
/* When to try again: full jitter that doubles from a tenth of a second to twenty, until patience ends. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cancel;

struct s3_retry {
	const struct cancel *cancel;	/* NULL */
	uint64_t patience_ns, spent_ns; /* how much of it is */
	uint64_t began_ns;		/* the try that goes on, on the monotonic clock */
	unsigned attempts;
};

void s3_retry_init(struct s3_retry *retry, uint64_t patience_ns, const struct cancel *cancel);
/* After a try that failed: blocks until the next one. False when there is to be none: the time is over, or the user
 * wants to stop. */
bool s3_retry_wait(struct s3_retry *retry);
