/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/pack_map.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { CAPACITY_MIN = 16 };

static int compare(const struct pack_map_item *item, const struct locator *at)
{
	int order = session_id_compare(&item->session, &at->session);
	return order != 0 ? order : (item->seq > at->seq) - (item->seq < at->seq);
}

/* Where the pack is, or belongs. */
static size_t place_of(const struct pack_map *map, const struct locator *at)
{
	size_t low = 0, high = map->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare(&map->items[middle], at) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void *pack_map_find(const struct pack_map *map, const struct locator *at)
{
	size_t place = place_of(map, at);
	return place < map->n && compare(&map->items[place], at) == 0 ? map->items[place].value : NULL;
}

static bool make_room(struct pack_map *map, struct err **errp)
{
	if (map->n < map->capacity)
		return true;
	size_t capacity = map->capacity ? map->capacity * 2 : CAPACITY_MIN;
	struct pack_map_item *items = reallocarray(map->items, capacity, sizeof(*items));
	if (!items)
		return err_set_no_memory(errp);
	map->items = items;
	map->capacity = capacity;
	return true;
}

bool pack_map_add(struct pack_map *map, const struct locator *at, void *value, struct err **errp)
{
	if (!make_room(map, errp))
		return false;
	struct pack_map_item *place = &map->items[place_of(map, at)];
	memmove(place + 1, place, (size_t)(map->items + map->n++ - place) * sizeof(*place));
	*place = (struct pack_map_item){.session = at->session, .seq = at->seq, .value = value};
	return true;
}

void pack_map_release(struct pack_map *map, void (*free_value)(void *value))
{
	for (size_t i = 0; i < map->n; i++)
		free_value(map->items[i].value);
	free(map->items);
	*map = (struct pack_map){0};
}
