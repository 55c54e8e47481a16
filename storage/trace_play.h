/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fetching what a trace names from far away, in its order, before somebody asks for it, in threads of its own: into the
 * cache before the repository's backend (storage/backend_cached.h), and not at all where that keeps nothing.
 */
#pragma once

#include "storage/pack_read.h"
#include "storage/trace.h"

struct trace_player;

/* Finds the trace that serves best, and fetches. All must outlive it. */
NODISCARD struct trace_player *trace_player_start(const struct repository *repository, const struct point *point,
						  struct pack_reader *packs, struct err **errp);
/* Waits until everything is fetched. */
void trace_player_wait(struct trace_player *player);
/* Ends it, wherever it is. NULL is fine. */
void trace_player_free(struct trace_player *player);
DEFINE_AUTO_FREE(struct trace_player, trace_player_free);
