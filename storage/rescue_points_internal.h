/* SPDX-License-Identifier: Apache-2.0 */
/* What the other points of a workload have at a place, for rescue.c only. Not thread-safe. */
#pragma once

#include "base/cancel.h"
#include "storage/point.h"

struct rescue_points;

/* The others are those that are there now. cancel may be NULL; all must outlive it. */
NODISCARD struct rescue_points *rescue_points_new(const struct repository *repository, const struct point *point,
						  const struct cancel *cancel, struct err **errp);
void rescue_points_free(struct rescue_points *points);
DEFINE_AUTO_FREE(struct rescue_points, rescue_points_free);
/* By rank: later ones before earlier ones, the nearest first. */
const struct point *rescue_points_get(const struct rescue_points *points, size_t rank);
/*
 * Where the first of them has this id at this place of the stream, of those that have it in none of the packs that were
 * tried. False: none has.
 */
bool rescue_points_find(struct rescue_points *points, const struct stream *stream, const struct tree_place *place,
			const struct chunk_id *id, const struct pack_set *tried, struct locator *ret_at,
			size_t *ret_rank, struct err **errp);
