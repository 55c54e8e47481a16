/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for damage, without changing anything. */
#pragma once

#include "base/cancel.h"
#include "base/progress.h"
#include "storage/repository.h"

struct scrub_damage {
	char *object, *reason;
	char (*points)[65]; /* ids in hex of the points it hurts */
	size_t n_points;
};

struct scrub_report {
	uint64_t objects, bytes;
	struct scrub_damage *damaged;
	size_t n_damaged;
};

struct scrub_options {
	const struct cancel *cancel;
	struct progress *progress; /* may be NULL */
};

/*
 * Every object: the signed ones by signature, packs by the SHA-256 of their lists on all processors, every pack that a
 * commit references must be there, every tree of every point must be whole (nodes read). Packs that are in no list are
 * counted, and are no damage. Damage fills the report and is no failure.
 */
NODISCARD bool scrub_run(struct repository *repository, const struct scrub_options *options, struct scrub_report *ret,
			 struct err **errp);
void scrub_report_release(struct scrub_report *report);
