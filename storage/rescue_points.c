/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points share most of their trees, so they are not walked one by one. A fan is what all of them together have below
 * one place: the distinct children of the nodes that stand there, each with the first point that has it. Which nodes
 * stand at a place the fan above says, up to the tops, which stand by themselves. So a node is read once for a fan,
 * however many points have it, and a few fans are kept (least recently used goes first): whoever reads a damaged stream
 * from its beginning to its end reads each node of the other points about once, even where nothing can be healed.
 */
#include "storage/rescue_points_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/pack_read.h"
#include "storage/tree_internal.h"

enum { FOOTERS_BYTES = 16 << 20, FANS = 16 };

struct sight {
	struct tree_ref ref;
	size_t rank; /* of the first point that has it there */
	unsigned slot;
};

struct sights {
	struct sight *all;
	size_t n, capacity;
};

struct fan {
	uint64_t used; /* when, by the count of uses; 0: never */
	struct tree_place place;
	struct sights below;
};

struct rescue_points {
	const struct repository *repository;
	const struct cancel *cancel;
	struct point_list list;
	const struct point **order; /* by rank */
	size_t n;
	struct pack_reader *packs; /* for nodes; what is damaged of them is of no help */
	uint64_t uses;
	struct fan fans[FANS];
};

static void sights_release(struct sights *sights)
{
	free(sights->all);
	*sights = (struct sights){0};
}

static bool add(struct sights *sights, const struct sight *sight, struct err **errp)
{
	if (sights->n == sights->capacity) {
		size_t capacity = sights->capacity ? sights->capacity * 2 : TREE_FANOUT;
		struct sight *all = reallocarray(sights->all, capacity, sizeof(*all));
		if (!all)
			return err_set_no_memory(errp);
		sights->all = all;
		sights->capacity = capacity;
	}
	sights->all[sights->n++] = *sight;
	return true;
}

static int compare_refs(const struct sight *a, const struct sight *b)
{
	int order = session_id_compare(&a->ref.at.session, &b->ref.at.session);
	if (order == 0)
		order = (a->ref.at.seq > b->ref.at.seq) - (a->ref.at.seq < b->ref.at.seq);
	if (order == 0)
		order = a->ref.at.entry - b->ref.at.entry;
	if (order == 0)
		order = memcmp(&a->ref.id, &b->ref.id, sizeof(a->ref.id));
	return order != 0 ? order : (a->slot > b->slot) - (a->slot < b->slot);
}

static int by_ref_and_rank(const void *left, const void *right)
{
	const struct sight *a = left, *b = right;
	int order = compare_refs(a, b);
	return order != 0 ? order : (a->rank > b->rank) - (a->rank < b->rank);
}

/* Of those that are the same, the one of the first point stays. */
static void settle(struct sights *sights)
{
	size_t kept = 0;
	if (sights->n < 2)
		return;
	qsort(sights->all, sights->n, sizeof(sights->all[0]), by_ref_and_rank);
	for (size_t i = 1; i < sights->n; i++)
		if (compare_refs(&sights->all[kept], &sights->all[i]) != 0)
			sights->all[++kept] = sights->all[i];
	sights->n = kept + 1;
}

/* ---- points ---- */

/* How many of the list, which has the newest first, are later. */
static size_t count_later(const struct point_list *list, const struct point *point)
{
	size_t later = 0;
	while (later < list->n && memcmp(list->points[later].id, point->id, POINT_ID_SIZE) != 0 &&
	       list->points[later].order_ns >= point->cut_ns)
		later++;
	return later;
}

/* Under another metadata key, the same content has other ids. */
static void rank(struct rescue_points *points, const struct point *other, const struct point *point)
{
	if (other->r == point->r && memcmp(other->id, point->id, POINT_ID_SIZE) != 0)
		points->order[points->n++] = other;
}

static bool rank_all(struct rescue_points *points, const struct point *point, struct err **errp)
{
	const struct point_list *list = &points->list;
	size_t later = count_later(list, point);
	points->order = calloc(list->n + 1, sizeof(struct point *));
	if (!points->order)
		return err_set_no_memory(errp);
	for (size_t i = later; i-- > 0;)
		rank(points, &list->points[i], point);
	for (size_t i = later; i < list->n; i++)
		rank(points, &list->points[i], point);
	return true;
}

struct rescue_points *rescue_points_new(const struct repository *repository, const struct point *point,
					const struct cancel *cancel, struct err **errp)
{
	AUTO(rescue_points_freep) struct rescue_points *points = calloc(1, sizeof(*points));
	if (!points) {
		err_set_no_memory(errp);
		return NULL;
	}
	points->repository = repository;
	points->cancel = cancel;
	if (!point_list_load(repository, point->workload, &points->list, errp) || !rank_all(points, point, errp))
		return NULL;
	points->packs = pack_reader_new(repository, FOOTERS_BYTES, errp);
	return points->packs ? STEAL(&points) : NULL;
}

void rescue_points_free(struct rescue_points *points)
{
	if (!points)
		return;
	for (size_t i = 0; i < FANS; i++)
		sights_release(&points->fans[i].below);
	pack_reader_free(points->packs);
	free(points->order);
	point_list_release(&points->list);
	free(points);
}

const struct point *rescue_points_get(const struct rescue_points *points, size_t rank)
{
	return points->order[rank];
}

/* The same stream of another point; NULL when it has none whose chunks are of the same size. */
static const struct stream *counterpart(const struct rescue_points *points, size_t rank, const struct stream *stream)
{
	const struct stream *other = point_stream(points->order[rank], stream->name);
	return other && other->kind == stream->kind && other->shape.exponent == stream->shape.exponent ? other : NULL;
}

/* ---- fans ---- */

static struct fan *fan_at(struct rescue_points *points, const struct stream *stream, const struct tree_place *place,
			  struct err **errp);

static bool add_from_above(struct rescue_points *points, const struct stream *stream, const struct tree_place *place,
			   struct sights *ret, struct err **errp)
{
	struct tree_place above = {
		.stream = place->stream, .height = (uint8_t)(place->height + 1), .index = place->index / TREE_FANOUT};
	const struct fan *fan = fan_at(points, stream, &above, errp);
	if (!fan)
		return false;
	for (size_t i = 0; i < fan->below.n; i++)
		if (fan->below.all[i].slot == place->index % TREE_FANOUT && !add(ret, &fan->below.all[i], errp))
			return false;
	return true;
}

/* What stands at a place; tops may come more than once. Streams that grew have trees of several depths. */
static bool gather(struct rescue_points *points, const struct stream *stream, const struct tree_place *place,
		   struct sights *ret, struct err **errp)
{
	bool above = false;
	for (size_t rank = 0; rank < points->n; rank++) {
		const struct stream *other = counterpart(points, rank, stream);
		if (!other || chunk_id_is_zero(&other->top.id))
			continue;
		uint8_t depth = stream_depth(&other->shape);
		above = above || depth > place->height;
		if (depth == place->height && place->index == 0 &&
		    !add(ret, &(struct sight){.ref = other->top, .rank = rank}, errp))
			return false;
	}
	return !above || add_from_above(points, stream, place, ret, errp);
}

/* A node that cannot be read is of no help, and no failure. */
static bool add_children(struct rescue_points *points, const struct tree_place *place, const struct sight *at,
			 struct sights *ret, struct err **errp)
{
	AUTO(err_freep) struct err *damage = NULL;
	struct tree_node node;
	if (points->cancel && !cancel_check(points->cancel, errp))
		return false;
	if (!pack_reader_node(points->packs, &at->ref.id, &at->ref.at, &node, &damage))
		return !err_is_of_run(err_code(damage)) || err_move(errp, &damage);
	if (node.level + 1 != place->height)
		return true;
	for (unsigned slot = 0; slot < node.n; slot++)
		if (!chunk_id_is_zero(&node.children[slot].id) &&
		    !add(ret, &(struct sight){.ref = node.children[slot], .rank = at->rank, .slot = slot}, errp))
			return false;
	return true;
}

static bool spread(struct rescue_points *points, const struct stream *stream, const struct tree_place *place,
		   struct sights *ret, struct err **errp)
{
	AUTO(sights_release) struct sights nodes = {0};
	if (!gather(points, stream, place, &nodes, errp))
		return false;
	settle(&nodes);
	for (size_t i = 0; i < nodes.n; i++)
		if (!add_children(points, place, &nodes.all[i], ret, errp))
			return false;
	settle(ret);
	return true;
}

static bool is_same_place(const struct tree_place *a, const struct tree_place *b)
{
	return a->stream == b->stream && a->height == b->height && a->index == b->index;
}

/* The one of this place, or the least recently used one. */
static struct fan *find_fan(struct rescue_points *points, const struct tree_place *place)
{
	struct fan *least = &points->fans[0];
	for (size_t i = 0; i < FANS; i++) {
		struct fan *fan = &points->fans[i];
		if (fan->used != 0 && is_same_place(&fan->place, place))
			return fan;
		if (fan->used < least->used)
			least = fan;
	}
	return least;
}

/* Borrowed until the next one is asked for. */
static struct fan *fan_at(struct rescue_points *points, const struct stream *stream, const struct tree_place *place,
			  struct err **errp)
{
	struct fan *fan = find_fan(points, place);
	if (fan->used == 0 || !is_same_place(&fan->place, place)) {
		AUTO(sights_release) struct sights below = {0};
		if (!spread(points, stream, place, &below, errp))
			return NULL;
		fan = find_fan(points, place); /* those above may have taken that one */
		sights_release(&fan->below);
		*fan = (struct fan){.place = *place, .below = below};
		below = (struct sights){0};
	}
	fan->used = ++points->uses;
	return fan;
}

bool rescue_points_find(struct rescue_points *points, const struct stream *stream, const struct tree_place *place,
			const struct chunk_id *id, const struct pack_set *tried, struct locator *ret_at,
			size_t *ret_rank, struct err **errp)
{
	AUTO(sights_release) struct sights here = {0};
	const struct sight *first = NULL;
	if (!gather(points, stream, place, &here, errp))
		return false;
	for (size_t i = 0; i < here.n; i++) {
		const struct sight *sight = &here.all[i];
		if (chunk_id_equal(&sight->ref.id, id) && (!first || sight->rank < first->rank) &&
		    !pack_set_has(tried, &sight->ref.at.session, sight->ref.at.seq))
			first = sight;
	}
	if (!first)
		return false;
	*ret_at = first->ref.at;
	*ret_rank = first->rank;
	return true;
}
