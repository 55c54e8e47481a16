/* SPDX-License-Identifier: Apache-2.0 */
/* A backend that is far away: another one, behind a delay, with a count of what is asked of it. */
#pragma once

#include <stdatomic.h>

#include "storage/backend.h"

struct far {
	struct backend backend;
	struct backend *near;
	unsigned delay_ms; /* of each request */
	atomic_uint requests;
	atomic_uint now, most;	    /* requests at once */
	atomic_uint_fast64_t bytes; /* that were read */
};

/* Takes over the near one. Freed as a backend. */
struct far *far_new(struct backend *near, unsigned delay_ms);
void far_forget(struct far *far);
