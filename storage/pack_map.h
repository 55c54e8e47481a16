/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of packs, each once, in ascending order of their places. Not thread-safe. */
#pragma once

#include "storage/ids.h"

struct err;

/* Begins as zeros. */
struct pack_map {
	struct pack_map_item {
		struct session_id session;
		uint32_t seq;
		void *value;
	} * items;
	size_t n, capacity;
};

/* The value of the pack in which that is; NULL: it has none. */
void *pack_map_find(const struct pack_map *map, const struct locator *at);
/* For a pack that has none yet. The value becomes the map's, except on failure. */
NODISCARD bool pack_map_add(struct pack_map *map, const struct locator *at, void *value, struct err **errp);
void pack_map_release(struct pack_map *map, void (*free_value)(void *value));
