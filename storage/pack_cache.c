/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open packs by name. A pack in the cache is
 *
 *   loading ──► ready ──► (dropped when unused and least recently used)
 *      └──────► failed    (out of the table at once; freed by the last one that waited for it)
 *
 * Invariants, under the lock: a pack is in its bucket unless failed; it is in the order of use exactly when it is
 * ready; bytes is the sum over the ready ones; holders counts who may look at it, so a pack with holders is never
 * freed. A footer does not change once ready.
 */
#include "storage/pack_cache_internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/pack_internal.h"

enum { BUCKETS = 1024 };

enum pack_state { PACK_LOADING, PACK_READY, PACK_FAILED };

struct data_key {
	bool opened;
	uint8_t dek[KEY_SIZE];
};

struct open_pack {
	struct open_pack *next;		 /* in the bucket */
	struct open_pack *older, *newer; /* in the order of use */
	enum pack_state state;
	unsigned holders;
	struct pack_footer footer;
	struct data_key *keys; /* one a keyslot; at least one, for the key of a node pack */
	size_t n_keys;
};

struct pack_cache {
	const struct repository *repository;
	size_t max_bytes;
	pthread_mutex_t lock;
	pthread_cond_t settled; /* some pack is no longer loading */
	struct open_pack *buckets[BUCKETS];
	struct open_pack *oldest, *newest;
	size_t bytes;
};

struct pack_cache *pack_cache_new(const struct repository *repository, size_t max_bytes, struct err **errp)
{
	struct pack_cache *cache = calloc(1, sizeof(*cache));
	if (!cache) {
		err_set_no_memory(errp);
		return NULL;
	}
	cache->repository = repository;
	cache->max_bytes = max_bytes;
	pthread_mutex_init(&cache->lock, NULL);
	pthread_cond_init(&cache->settled, NULL);
	return cache;
}

static void open_pack_free(struct open_pack *pack)
{
	pack_footer_release(&pack->footer);
	if (pack->keys)
		crypto_wipe(pack->keys, pack->n_keys * sizeof(pack->keys[0]));
	free(pack->keys);
	free(pack);
}

void pack_cache_free(struct pack_cache *cache)
{
	if (!cache)
		return;
	while (cache->oldest) {
		struct open_pack *pack = cache->oldest;
		cache->oldest = pack->newer;
		open_pack_free(pack);
	}
	pthread_cond_destroy(&cache->settled);
	pthread_mutex_destroy(&cache->lock);
	free(cache);
}

static size_t open_pack_bytes(const struct open_pack *pack)
{
	return sizeof(*pack) + pack->footer.n_entries * sizeof(struct pack_entry) +
	       pack->footer.n_keyslots * KEYSLOT_SIZE + pack->n_keys * sizeof(struct data_key);
}

static struct open_pack **bucket_of(struct pack_cache *cache, const struct pack_footer *name)
{
	uint64_t hash = (bytes_load_le64(name->session.writer) ^ name->session.number) * UINT64_C(0x9e3779b97f4a7c15);
	hash = (hash ^ name->seq ^ ((uint64_t)name->cls << 32)) * UINT64_C(0x9e3779b97f4a7c15);
	return &cache->buckets[hash >> 54];
}

static bool same_name(const struct pack_footer *a, const struct pack_footer *b)
{
	return a->seq == b->seq && a->cls == b->cls && session_id_equal(&a->session, &b->session);
}

static struct open_pack *bucket_find(struct pack_cache *cache, const struct pack_footer *name)
{
	struct open_pack *pack = *bucket_of(cache, name);
	while (pack && !same_name(&pack->footer, name))
		pack = pack->next;
	return pack;
}

static void bucket_remove(struct pack_cache *cache, struct open_pack *pack)
{
	struct open_pack **at = bucket_of(cache, &pack->footer);
	while (*at != pack)
		at = &(*at)->next;
	*at = pack->next;
}

static void use_remove(struct pack_cache *cache, struct open_pack *pack)
{
	*(pack->older ? &pack->older->newer : &cache->oldest) = pack->newer;
	*(pack->newer ? &pack->newer->older : &cache->newest) = pack->older;
}

static void use_append(struct pack_cache *cache, struct open_pack *pack)
{
	pack->older = cache->newest;
	pack->newer = NULL;
	*(cache->newest ? &cache->newest->newer : &cache->oldest) = pack;
	cache->newest = pack;
}

/* Frees what nobody holds, oldest first, until the bound is kept. */
static void cache_shrink(struct pack_cache *cache)
{
	struct open_pack *newer;
	for (struct open_pack *pack = cache->oldest; pack && cache->bytes > cache->max_bytes; pack = newer) {
		newer = pack->newer;
		if (pack->holders > 0)
			continue;
		cache->bytes -= open_pack_bytes(pack);
		use_remove(cache, pack);
		bucket_remove(cache, pack);
		open_pack_free(pack);
	}
}

static struct open_pack *insert_loading(struct pack_cache *cache, const struct pack_footer *name)
{
	struct open_pack *pack = calloc(1, sizeof(*pack));
	if (!pack)
		return NULL;
	pack->footer = *name;
	pack->holders = 1;
	struct open_pack **bucket = bucket_of(cache, name);
	pack->next = *bucket;
	*bucket = pack;
	return pack;
}

/* Somebody relies on this pack, so that it is not there is damage. */
static bool fetch_footer(const struct pack_cache *cache, const struct pack_footer *name, struct pack_footer *ret,
			 struct err **errp)
{
	struct err *err = NULL;
	if (pack_footer_fetch(cache->repository, name->cls, &name->session, name->seq, ret, &err))
		return true;
	if (err_code(err) != ERR_NOT_FOUND)
		return err_move(errp, &err);
	err_free(err);
	err_set(errp, ERR_CORRUPT, "is missing from the repository");
	return pack_err(errp, name->cls, &name->session, name->seq);
}

/* Without the lock: nobody else looks at a loading pack's content. */
static bool load(const struct pack_cache *cache, const struct pack_footer *name, struct pack_footer *ret,
		 struct data_key **ret_keys, struct err **errp)
{
	AUTO(pack_footer_release) struct pack_footer footer = {0};
	if (!fetch_footer(cache, name, &footer, errp))
		return false;
	*ret_keys = calloc(footer.n_keyslots + 1, sizeof(**ret_keys));
	if (!*ret_keys)
		return err_set_no_memory(errp);
	*ret = footer;
	footer = (struct pack_footer){0};
	return true;
}

/* Loads a pack that this thread has put into the table. Enters and leaves with the lock. */
static struct open_pack *load_locked(struct pack_cache *cache, struct open_pack *pack, struct err **errp)
{
	struct pack_footer footer;
	struct data_key *keys;
	pthread_mutex_unlock(&cache->lock);
	bool ok = load(cache, &pack->footer, &footer, &keys, errp);
	pthread_mutex_lock(&cache->lock);
	pthread_cond_broadcast(&cache->settled);
	if (!ok) {
		pack->state = PACK_FAILED;
		bucket_remove(cache, pack);
		if (--pack->holders == 0)
			open_pack_free(pack);
		return NULL;
	}
	pack->state = PACK_READY;
	pack->footer = footer;
	pack->keys = keys;
	pack->n_keys = footer.n_keyslots + 1;
	cache->bytes += open_pack_bytes(pack);
	use_append(cache, pack);
	return pack;
}

/* Waits for a pack that another thread loads. NULL when that failed. */
static struct open_pack *wait_locked(struct pack_cache *cache, struct open_pack *pack)
{
	pack->holders++;
	while (pack->state == PACK_LOADING)
		pthread_cond_wait(&cache->settled, &cache->lock);
	if (pack->state == PACK_READY) {
		use_remove(cache, pack);
		use_append(cache, pack);
		return pack;
	}
	if (--pack->holders == 0)
		open_pack_free(pack);
	return NULL;
}

static struct open_pack *get_locked(struct pack_cache *cache, const struct pack_footer *name, struct err **errp)
{
	struct open_pack *there;
	while ((there = bucket_find(cache, name))) {
		struct open_pack *pack = wait_locked(cache, there);
		if (pack)
			return pack;
	}
	struct open_pack *mine = insert_loading(cache, name);
	if (!mine) {
		err_set_no_memory(errp);
		return NULL;
	}
	struct open_pack *pack = load_locked(cache, mine, errp);
	cache_shrink(cache);
	return pack;
}

struct open_pack *pack_cache_get(struct pack_cache *cache, enum pack_class cls, const struct session_id *session,
				 uint32_t seq, struct err **errp)
{
	const struct pack_footer name = {.cls = cls, .session = *session, .seq = seq};
	pthread_mutex_lock(&cache->lock);
	struct open_pack *pack = get_locked(cache, &name, errp);
	pthread_mutex_unlock(&cache->lock);
	return pack;
}

void pack_cache_put(struct pack_cache *cache, struct open_pack *pack)
{
	pthread_mutex_lock(&cache->lock);
	pack->holders--;
	cache_shrink(cache);
	pthread_mutex_unlock(&cache->lock);
}

const struct pack_footer *open_pack_footer(const struct open_pack *pack)
{
	return &pack->footer;
}

static bool open_dek(const struct pack_cache *cache, const struct pack_footer *footer, uint8_t keyslot,
		     uint8_t ret_dek[KEY_SIZE], struct err **errp)
{
	if (footer->cls == PACK_CHUNKS)
		return dek_open(cache->repository, footer->keyslots + (size_t)keyslot * KEYSLOT_SIZE, ret_dek, errp);
	const struct metadata_keys *keys = repository_metadata_at(cache->repository, footer->r);
	return dek_meta(keys, footer->salt, &footer->session, footer->seq, ret_dek, errp);
}

bool pack_cache_dek(struct pack_cache *cache, struct open_pack *pack, uint8_t keyslot, uint8_t ret_dek[KEY_SIZE],
		    struct err **errp)
{
	struct data_key *key = &pack->keys[keyslot];
	pthread_mutex_lock(&cache->lock);
	bool opened = key->opened;
	if (opened)
		memcpy(ret_dek, key->dek, KEY_SIZE);
	pthread_mutex_unlock(&cache->lock);
	if (opened)
		return true;
	/* Two threads may both come here; they find the same key. */
	if (!open_dek(cache, &pack->footer, keyslot, ret_dek, errp))
		return false;
	pthread_mutex_lock(&cache->lock);
	memcpy(key->dek, ret_dek, KEY_SIZE);
	key->opened = true;
	pthread_mutex_unlock(&cache->lock);
	return true;
}
