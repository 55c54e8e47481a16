/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A slot holds one chunk:
 *
 *   free ──► loading ──► ready ──► (given to another chunk when nobody holds it and it is the least recently used)
 *               └──────► failed (out of the table; free again when the last one that waited for it has seen it)
 *
 * Invariants, under the lock: a slot is in its bucket exactly when loading or ready; it is in the order of use exactly
 * when nobody holds it; its data does not change while somebody holds it and it is ready. No thread waits while it
 * owes: it first fetches every slot that it made loading, and then waits for those of others; and it waits for a free
 * slot only while it holds none. So nobody waits in a circle.
 */
#include "storage/stream_cache_internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"

enum { SLOTS_MIN = STREAM_WINDOW };

enum slot_state { SLOT_FREE, SLOT_LOADING, SLOT_READY, SLOT_FAILED };

struct chunk_slot {
	struct chunk_slot *next;	  /* in the bucket */
	struct chunk_slot *older, *newer; /* in the order of use */
	uint64_t index;
	unsigned holders;
	enum slot_state state;
	uint8_t *data; /* of a whole chunk, made when first needed */
};

struct stream_cache {
	struct pack_reader *packs;
	struct tree_reader *tree;
	struct stream_shape shape;
	size_t n_slots; /* also the number of buckets */
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a slot was settled, or let go */
	struct chunk_slot *oldest, *newest;
	struct chunk_slot **buckets;
	struct chunk_slot *slots;
};

static void use_remove(struct stream_cache *cache, struct chunk_slot *slot)
{
	*(slot->older ? &slot->older->newer : &cache->oldest) = slot->newer;
	*(slot->newer ? &slot->newer->older : &cache->newest) = slot->older;
}

static void use_append(struct stream_cache *cache, struct chunk_slot *slot)
{
	slot->older = cache->newest;
	slot->newer = NULL;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = slot;
	cache->newest = slot;
}

struct stream_cache *stream_cache_new(struct pack_reader *packs, struct tree_reader *tree, size_t max_bytes,
				      struct err **errp)
{
	AUTO(stream_cache_freep) struct stream_cache *cache = calloc(1, sizeof(*cache));
	if (!cache) {
		err_set_no_memory(errp);
		return NULL;
	}
	cache->packs = packs;
	cache->tree = tree;
	cache->shape = *tree_reader_shape(tree);
	size_t wanted = max_bytes >> cache->shape.exponent;
	cache->n_slots = wanted < SLOTS_MIN ? SLOTS_MIN : wanted;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->changed, NULL);
	cache->slots = calloc(cache->n_slots, sizeof(cache->slots[0]));
	cache->buckets = calloc(cache->n_slots, sizeof(cache->buckets[0]));
	if (!cache->slots || !cache->buckets) {
		err_set_no_memory(errp);
		return NULL;
	}
	for (size_t i = 0; i < cache->n_slots; i++)
		use_append(cache, &cache->slots[i]);
	return STEAL(&cache);
}

void stream_cache_free(struct stream_cache *cache)
{
	if (!cache)
		return;
	for (size_t i = 0; cache->slots && i < cache->n_slots; i++)
		free(cache->slots[i].data);
	pthread_cond_destroy(&cache->changed);
	pthread_mutex_destroy(&cache->lock);
	free(cache->buckets);
	free(cache->slots);
	free(cache);
}

size_t stream_cache_slots(const struct stream_cache *cache)
{
	return cache->n_slots;
}

static struct chunk_slot **bucket_of(const struct stream_cache *cache, uint64_t index)
{
	return &cache->buckets[index % cache->n_slots];
}

static struct chunk_slot *bucket_find(const struct stream_cache *cache, uint64_t index)
{
	struct chunk_slot *slot = *bucket_of(cache, index);
	while (slot && slot->index != index)
		slot = slot->next;
	return slot;
}

static void bucket_remove(struct stream_cache *cache, struct chunk_slot *slot)
{
	struct chunk_slot **at = bucket_of(cache, slot->index);
	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
}

static void hold(struct stream_cache *cache, struct chunk_slot *slot)
{
	if (slot->holders++ == 0)
		use_remove(cache, slot);
}

static void let_go(struct stream_cache *cache, struct chunk_slot *slot)
{
	if (--slot->holders > 0)
		return;
	if (slot->state == SLOT_FAILED)
		slot->state = SLOT_FREE;
	use_append(cache, slot);
	pthread_cond_broadcast(&cache->changed);
}

/* A slot for a chunk that is not there, held and loading; NULL when all are held, or for lack of memory. */
static struct chunk_slot *take_slot(struct stream_cache *cache, uint64_t index)
{
	struct chunk_slot *slot = cache->oldest;
	if (!slot)
		return NULL;
	if (!slot->data)
		slot->data = malloc((size_t)1 << cache->shape.exponent);
	if (!slot->data)
		return NULL;
	if (slot->state == SLOT_READY)
		bucket_remove(cache, slot);
	hold(cache, slot);
	slot->state = SLOT_LOADING;
	slot->index = index;
	struct chunk_slot **bucket = bucket_of(cache, index);
	slot->next = *bucket;
	*bucket = slot;
	return slot;
}

/* What one thread has under way: the window's chunks as the tree says, and those of them that it fetches itself. */
struct fetch {
	uint64_t first;
	struct tree_ref refs[STREAM_WINDOW];
	struct chunk_ref mine[STREAM_WINDOW];
	struct chunk_slot *slots[STREAM_WINDOW];
	size_t n_mine;
};

static bool note_chunk(void *arg, uint64_t index, const struct tree_ref *chunk, struct err **errp)
{
	(void)errp;
	struct fetch *fetch = arg;
	fetch->refs[index - fetch->first] = *chunk;
	return true;
}

static bool look_up(struct stream_cache *cache, struct fetch *fetch, uint64_t first, size_t n, struct err **errp)
{
	assert(n <= STREAM_WINDOW);
	*fetch = (struct fetch){.first = first};
	return tree_each(cache->tree, first, first + n, note_chunk, fetch, errp);
}

/* A new slot for chunk i of the window, to be fetched by this thread. NULL when there is none to be had. */
static struct chunk_slot *begin_fetch(struct stream_cache *cache, struct fetch *fetch, size_t i)
{
	uint64_t index = fetch->first + i;
	struct chunk_slot *slot = take_slot(cache, index);
	if (!slot)
		return NULL;
	fetch->slots[fetch->n_mine] = slot;
	fetch->mine[fetch->n_mine++] = (struct chunk_ref){
		.id = fetch->refs[i].id,
		.at = fetch->refs[i].at,
		.plain_len = stream_chunk_len(&cache->shape, index),
		.plain = slot->data,
		.place = tree_reader_place(cache->tree, index),
	};
	return slot;
}

/* Fetches what begin_fetch() collected. Enters and leaves with the lock. */
static bool end_fetch(struct stream_cache *cache, struct fetch *fetch, struct err **errp)
{
	if (fetch->n_mine == 0)
		return true;
	pthread_mutex_unlock(&cache->lock);
	bool ok = pack_reader_chunks(cache->packs, fetch->mine, fetch->n_mine, errp);
	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < fetch->n_mine; i++) {
		fetch->slots[i]->state = ok ? SLOT_READY : SLOT_FAILED;
		if (!ok)
			bucket_remove(cache, fetch->slots[i]);
	}
	pthread_cond_broadcast(&cache->changed);
	return ok;
}

/* Holds, from the first on, as many chunks as slots allow; those not there are begun. */
static size_t hold_available(struct stream_cache *cache, struct fetch *fetch, size_t n, struct held_chunk *held)
{
	for (size_t i = 0; i < n; i++) {
		held[i] = (struct held_chunk){0};
		if (chunk_id_is_zero(&fetch->refs[i].id))
			continue;
		held[i].slot = bucket_find(cache, fetch->first + i);
		if (held[i].slot)
			hold(cache, held[i].slot);
		else
			held[i].slot = begin_fetch(cache, fetch, i);
		if (!held[i].slot)
			return i;
	}
	return n;
}

/* False when another thread failed to fetch one of them. */
static bool wait_for_others(struct stream_cache *cache, struct held_chunk *held, size_t n)
{
	bool ok = true;
	for (size_t i = 0; i < n; i++) {
		if (!held[i].slot)
			continue;
		while (held[i].slot->state == SLOT_LOADING)
			pthread_cond_wait(&cache->changed, &cache->lock);
		ok = ok && held[i].slot->state == SLOT_READY;
		held[i].data = held[i].slot->data;
	}
	return ok;
}

static void release_locked(struct stream_cache *cache, struct held_chunk *held, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (held[i].slot)
			let_go(cache, held[i].slot);
}

/* One attempt, with the lock. *ret_n stays 0 when it is to be tried again. */
static bool hold_locked(struct stream_cache *cache, struct fetch *fetch, size_t n, struct held_chunk *held,
			size_t *ret_n, struct err **errp)
{
	fetch->n_mine = 0;
	size_t held_n = hold_available(cache, fetch, n, held);
	if (held_n == 0) {
		if (cache->oldest)
			return err_set_no_memory(errp);
		pthread_cond_wait(&cache->changed, &cache->lock);
		return true;
	}
	bool ok = end_fetch(cache, fetch, errp);
	if (ok && wait_for_others(cache, held, held_n))
		*ret_n = held_n;
	else
		release_locked(cache, held, held_n);
	return ok;
}

bool stream_cache_hold(struct stream_cache *cache, uint64_t first, size_t n, struct held_chunk *held, size_t *ret_n,
		       struct err **errp)
{
	struct fetch fetch;
	if (!look_up(cache, &fetch, first, n, errp))
		return false;
	size_t held_n = 0;
	bool ok = true;
	pthread_mutex_lock(&cache->lock);
	while (ok && held_n == 0)
		ok = hold_locked(cache, &fetch, n, held, &held_n, errp);
	pthread_mutex_unlock(&cache->lock);
	*ret_n = held_n;
	return ok;
}

void stream_cache_release(struct stream_cache *cache, struct held_chunk *held, size_t n)
{
	pthread_mutex_lock(&cache->lock);
	release_locked(cache, held, n);
	pthread_mutex_unlock(&cache->lock);
}

bool stream_cache_prefetch(struct stream_cache *cache, uint64_t first, size_t n, struct err **errp)
{
	struct fetch fetch;
	if (!look_up(cache, &fetch, first, n, errp))
		return false;
	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < n; i++)
		if (!chunk_id_is_zero(&fetch.refs[i].id) && !bucket_find(cache, first + i) &&
		    !begin_fetch(cache, &fetch, i))
			break;
	bool ok = end_fetch(cache, &fetch, errp);
	for (size_t i = 0; i < fetch.n_mine; i++)
		let_go(cache, fetch.slots[i]);
	pthread_mutex_unlock(&cache->lock);
	return ok;
}
