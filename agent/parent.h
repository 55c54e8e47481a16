/* SPDX-License-Identifier: Apache-2.0 */
/* Which point the next one builds on. */
#pragma once

#include "agent/tracking.h"

struct parent {
	bool found; /* false: a first backup */
	struct point point;
	const char *change_map; /* in `tracking`; NULL: everything must be read, and reason says why */
	const char *reason;	/* static; NULL when tracked, or when there is no parent */
	char *alarm;		/* one sentence when the remembered point is gone or damaged; else NULL */
	char *namesake; /* one sentence on a first backup when the name was another workload's before; else NULL */
};

/*
 * The point that this host remembers; else the newest of the workload among writers that this identity trusts: itself,
 * and those with role source. Another writer's chunks are never taken over. A change map counts only with the
 * remembered point.
 */
NODISCARD bool parent_choose(const struct repository *repository, const struct workload *workload,
			     const struct tracking *tracking, struct parent *ret, struct err **errp);
void parent_release(struct parent *parent);
