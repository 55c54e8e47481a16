/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this host remembers of a workload between two runs: the session of the point to build on, and the name of the
 * engine's change map that began with it. Kept in repository_state_path()/workloads/<id in hex>. Losing it costs a
 * full read, never a point. The lock beside it admits one backup of a workload at a time.
 */
#pragma once

#include "hypervisor/engine.h"
#include "storage/point.h"
#include "storage/repository.h"

struct tracking {
	bool known; /* false: nothing is remembered */
	struct session_id session;
	uint8_t point[POINT_ID_SIZE];
	char change_map[TRACKING_MAX + 1]; /* empty: nothing was tracked */
};

/* Held until *ret_fd is closed. ERR_BUSY names the workload. */
NODISCARD bool tracking_lock(const struct repository *repository, const struct workload *workload, int *ret_fd,
			     struct err **errp);
/* Missing or damaged memory is no failure: known is false. */
NODISCARD bool tracking_load(const struct repository *repository, const struct workload *workload, struct tracking *ret,
			     struct err **errp);
/* Durable and atomic. */
NODISCARD bool tracking_save(const struct repository *repository, const struct workload *workload,
			     const struct tracking *tracking, struct err **errp);
