/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server describes a stretch once for each context, and may stop at a different place in each. The map goes on
 * as far as both reach, and asks again from there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/blocks_internal.h"

/* A request's length has 32 bits; a whole number of clusters is kindest to QEMU. */
#define QUERY_MAX UINT64_C(0xffff0000)
#define STATE_DIRTY 1U

struct stretch {
	uint32_t length, flags;
};

struct stretches {
	struct stretch *items;
	size_t n, capacity;
};

struct query {
	const struct blocks *blocks;
	uint64_t offset, length; /* what was asked for */
	struct stretches allocation, dirty;
	bool no_memory;
};

struct map {
	extent_function *each;
	void *arg;
	struct extent next; /* not yet given out, since its neighbour may be alike */
};

static void query_release(struct query *query)
{
	free(query->allocation.items);
	free(query->dirty.items);
}

static bool stretches_hold(struct stretches *list, const uint32_t *entries, size_t n)
{
	if (n > list->capacity) {
		struct stretch *items = realloc(list->items, n * sizeof(*items));
		if (!items)
			return false;
		list->items = items;
		list->capacity = n;
	}
	for (size_t i = 0; i < n; i++)
		list->items[i] = (struct stretch){.length = entries[2 * i], .flags = entries[2 * i + 1]};
	list->n = n;
	return true;
}

static int take_entries(void *arg, const char *context, uint64_t offset, uint32_t *entries, size_t n_entries,
			int *error)
{
	struct query *query = arg;
	struct stretches *list = NULL;
	if (strcmp(context, LIBNBD_CONTEXT_BASE_ALLOCATION) == 0)
		list = &query->allocation;
	else if (query->blocks->bitmap && strcmp(context, query->blocks->bitmap) == 0)
		list = &query->dirty;
	if (!list || offset != query->offset)
		return 0;
	if (stretches_hold(list, entries, n_entries / 2))
		return 0;
	query->no_memory = true;
	*error = ENOMEM;
	return -1;
}

/* A context that the server does not have is one stretch without flags. */
static bool fill_absent(struct stretches *list, uint64_t length)
{
	const uint32_t whole[2] = {(uint32_t)length, 0};
	return stretches_hold(list, whole, 1);
}

static bool ask(struct blocks *blocks, struct query *query, struct err **errp)
{
	bool asked = blocks->allocation || blocks->bitmap;
	query->allocation.n = query->dirty.n = 0;
	nbd_extent_callback callback = {.callback = take_entries, .user_data = query};
	if (asked && nbd_block_status(blocks->nbd, query->length, query->offset, callback, 0) < 0)
		return query->no_memory ? err_set_no_memory(errp) : blocks_fail(blocks, "ask for the map", errp);
	if ((!blocks->allocation && !fill_absent(&query->allocation, query->length)) ||
	    (!blocks->bitmap && !fill_absent(&query->dirty, query->length)))
		return err_set_no_memory(errp);
	return true;
}

static bool map_flush(struct map *map, struct err **errp)
{
	return map->next.length == 0 || map->each(map->arg, &map->next, errp);
}

static bool map_add(struct map *map, const struct extent *extent, struct err **errp)
{
	if (map->next.length > 0 && map->next.changed == extent->changed && map->next.zero == extent->zero) {
		map->next.length += extent->length;
		return true;
	}
	if (!map_flush(map, errp))
		return false;
	map->next = *extent;
	return true;
}

/* Walks both lists side by side. Returns how far both reach; 0 is a failure. */
static uint64_t map_add_query(struct map *map, struct query *query, struct err **errp)
{
	struct stretches *a = &query->allocation, *d = &query->dirty;
	uint64_t done = 0;
	size_t i = 0, j = 0;
	while (i < a->n && j < d->n && done < query->length) {
		uint64_t length = a->items[i].length < d->items[j].length ? a->items[i].length : d->items[j].length;
		if (length > query->length - done)
			length = query->length - done;
		struct extent extent = {
			.offset = query->offset + done,
			.length = length,
			.changed = !query->blocks->bitmap || (d->items[j].flags & STATE_DIRTY) != 0,
			.zero = (a->items[i].flags & LIBNBD_STATE_ZERO) != 0,
		};
		if (length > 0 && !map_add(map, &extent, errp))
			return 0;
		done += length;
		a->items[i].length -= (uint32_t)length;
		d->items[j].length -= (uint32_t)length;
		i += a->items[i].length == 0;
		j += d->items[j].length == 0;
	}
	if (done == 0)
		err_set(errp, ERR_FAILED, "the server describes nothing at %llu", (unsigned long long)query->offset);
	return done;
}

static bool map_all(struct blocks *blocks, struct query *query, struct map *map, struct err **errp)
{
	while (query->offset < blocks->size) {
		if (blocks->cancel && !cancel_check(blocks->cancel, errp))
			return false;
		query->length = blocks->size - query->offset;
		if (query->length > QUERY_MAX)
			query->length = QUERY_MAX;
		if (!ask(blocks, query, errp))
			return false;
		uint64_t done = map_add_query(map, query, errp);
		if (done == 0)
			return false;
		query->offset += done;
	}
	return map_flush(map, errp);
}

bool blocks_map(struct blocks *blocks, extent_function *each, void *arg, struct err **errp)
{
	if (!blocks->nbd)
		return err_set(errp, ERR_FAILED, "the connection to the disk is closed");
	AUTO(query_release) struct query query = {.blocks = blocks};
	struct map map = {.each = each, .arg = arg};
	return map_all(blocks, &query, &map, errp);
}
