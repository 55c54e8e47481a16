/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Objects that are read whole are kept whole. Packs are kept in blocks: what is asked for is widened to them; of nodes,
 * which are small and lie together, to windows. Stripes make sure that what several threads want is fetched once: they
 * are locks by name, and by window. Chunks need none, since stream_cache.h asks for each once.
 */
#include "storage/backend_cached.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "storage/cache_folder.h"
#include "storage/pack.h"

enum { STRIPE_BITS = 8, STRIPES = 1 << STRIPE_BITS, WINDOW = 256 << 10 };

struct cached {
	struct backend backend;
	struct backend *far;
	struct cache_folder *folder;
	char store[2 * STORE_SIZE + 1];
	enum cache_extent extent;
	bool fresh;
	uint8_t run[CACHE_RUN_SIZE];
	pthread_mutex_t stripes[STRIPES];
	atomic_bool gave_up; /* nothing can be written */
	atomic_uint_fast64_t fetches, fetched, served, dropped;
};

static struct cached *cached_of(struct backend *backend)
{
	return (struct cached *)backend;
}

/* ---- files ---- */

static pthread_mutex_t *lock_stripe(struct cached *cached, const char *name, uint64_t window)
{
	uint64_t hash = window;
	for (const char *at = name; *at; at++)
		hash = (hash ^ (uint8_t)*at) * UINT64_C(0x9e3779b97f4a7c15);
	pthread_mutex_t *stripe = &cached->stripes[hash >> (64 - STRIPE_BITS)];
	pthread_mutex_lock(stripe);
	return stripe;
}

static void open_file(struct cached *cached, const char *name, struct cache_file *ret)
{
	AUTO(freep) char *path = cache_folder_path(cached->folder, cached->store, name);
	*ret = (struct cache_file){.fd = -1};
	if (path && !cache_file_open(path, cached->fresh ? cached->run : NULL, ret))
		ret->fd = -1;
}

static void give_up(struct cached *cached, const char *name)
{
	if (!atomic_exchange(&cached->gave_up, true))
		log_debug("cache: %s cannot be kept (%s); going on without", name, strerror(errno));
}

/* In place of what is there. */
static void make_file(struct cached *cached, const char *name, uint64_t size, struct cache_file *ret)
{
	AUTO(freep) char *path = cache_folder_path(cached->folder, cached->store, name);
	*ret = (struct cache_file){.fd = -1};
	if (!path || size > CACHE_OBJECT_MAX || atomic_load(&cached->gave_up))
		return;
	cache_folder_note(cached->folder, CACHE_BLOCK);
	if (!cache_file_make(path, size, cached->run, ret) &&
	    !(cache_folder_make(cached->folder) && cache_file_make(path, size, cached->run, ret)))
		give_up(cached, name);
}

static void keep(struct cached *cached, const char *name, const struct cache_file *file, uint64_t offset,
		 struct span bytes)
{
	if (file->fd < 0 || bytes.len == 0 || atomic_load(&cached->gave_up))
		return;
	cache_folder_note(cached->folder, bytes.len);
	if (!cache_file_write(file, offset, bytes))
		give_up(cached, name);
}

/* False when there was none. */
static bool drop_file(struct cached *cached, const char *name)
{
	AUTO(freep) char *path = cache_folder_path(cached->folder, cached->store, name);
	return path && unlink(path) == 0;
}

static bool read_kept(struct cached *cached, const struct cache_file *file, uint64_t offset, void *data, size_t len)
{
	struct cache_blocks missing = cache_blocks_around(offset, len);
	if (file->fd < 0)
		return false;
	cache_file_missing(file, &missing);
	if (missing.first != missing.end || !cache_file_read(file, offset, data, len))
		return false;
	atomic_fetch_add(&cached->served, len);
	return true;
}

static void count_fetch(struct cached *cached, uint64_t bytes)
{
	atomic_fetch_add(&cached->fetches, 1);
	atomic_fetch_add(&cached->fetched, bytes);
}

/* ---- whole objects ---- */

static bool is_kept_whole(const char *name)
{
	return strchr("cklt", name[0]) && name[1] == '/';
}

static bool get_kept(struct cached *cached, const char *name, size_t max, struct bytes *ret)
{
	struct cache_file file;
	AUTO(bytes_release) struct bytes object;
	bytes_init(&object, max);
	open_file(cached, name, &file);
	bool there = file.fd >= 0 && file.size <= max;
	uint8_t *data = there ? bytes_extend(&object, (size_t)file.size) : NULL;
	there = data && read_kept(cached, &file, 0, data, object.len);
	cache_file_close(&file);
	if (!there)
		return false;
	*ret = object;
	bytes_init(&object, 0);
	return true;
}

static bool get_far(struct cached *cached, const char *name, size_t max, struct bytes *ret, struct err **errp)
{
	struct cache_file file;
	if (!backend_get(cached->far, name, max, ret, errp))
		return false;
	count_fetch(cached, ret->len);
	make_file(cached, name, ret->len, &file);
	keep(cached, name, &file, 0, bytes_span(ret));
	cache_file_close(&file);
	return true;
}

static bool cached_get(struct backend *backend, const char *name, size_t max, struct bytes *ret, struct err **errp)
{
	struct cached *cached = cached_of(backend);
	if (!is_kept_whole(name))
		return backend_get(cached->far, name, max, ret, errp);
	pthread_mutex_t *stripe = lock_stripe(cached, name, 0);
	bool ok = get_kept(cached, name, max, ret) || get_far(cached, name, max, ret, errp);
	pthread_mutex_unlock(stripe);
	return ok;
}

/* ---- packs ---- */

static bool is_kept_pack(const struct cached *cached, const char *name)
{
	return cached->extent >= CACHE_TREES && (name[0] == PACK_CHUNKS || name[0] == PACK_META) && name[1] == '/';
}

/* The head is asked for with the end, and kept with it. */
static bool is_kept_range(const struct cached *cached, const char *name, uint64_t offset, size_t len)
{
	if (!is_kept_pack(cached, name) || len == 0 || offset > CACHE_OBJECT_MAX || len > CACHE_OBJECT_MAX)
		return false;
	return cached->extent == CACHE_CONTENTS || name[0] == PACK_META || (offset == 0 && len <= PACK_HEAD_SIZE);
}

static bool tail_kept(struct cached *cached, const char *name, void *data, size_t max, size_t *ret_len,
		      uint64_t *ret_size)
{
	struct cache_file file;
	open_file(cached, name, &file);
	size_t len = file.fd >= 0 && file.size < max ? (size_t)file.size : max;
	bool there = file.fd >= 0 && read_kept(cached, &file, file.size - len, data, len);
	if (there) {
		*ret_len = len;
		*ret_size = file.size;
	}
	cache_file_close(&file);
	return there;
}

/* A tail of `len` bytes: only its whole blocks. */
static void keep_tail(struct cached *cached, const char *name, const uint8_t *tail, size_t len, uint64_t size)
{
	struct cache_file file;
	uint64_t start = size - len, whole = (start + CACHE_BLOCK - 1) / CACHE_BLOCK * CACHE_BLOCK;
	open_file(cached, name, &file);
	if (file.fd < 0 || file.size != size) {
		cache_file_close(&file);
		make_file(cached, name, size, &file);
	}
	if (whole < size)
		keep(cached, name, &file, whole, SPAN(tail + (whole - start), (size_t)(size - whole)));
	cache_file_close(&file);
}

/* A block more than is asked for, so that the first byte that is asked for lies in a whole one. */
static bool tail_far(struct cached *cached, const char *name, void *data, size_t max, size_t *ret_len,
		     uint64_t *ret_size, struct err **errp)
{
	size_t len, room = max + CACHE_BLOCK;
	AUTO(freep) uint8_t *tail = malloc(room);
	if (!tail)
		return err_set_no_memory(errp);
	if (!backend_get_tail(cached->far, name, tail, room, &len, ret_size, errp))
		return false;
	count_fetch(cached, len);
	keep_tail(cached, name, tail, len, *ret_size);
	*ret_len = len < max ? len : max;
	memcpy(data, tail + (len - *ret_len), *ret_len);
	return true;
}

static bool cached_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
			    uint64_t *ret_size, struct err **errp)
{
	struct cached *cached = cached_of(backend);
	if (!is_kept_pack(cached, name) || max > CACHE_OBJECT_MAX)
		return backend_get_tail(cached->far, name, data, max, ret_len, ret_size, errp);
	pthread_mutex_t *stripe = lock_stripe(cached, name, 0);
	bool ok = tail_kept(cached, name, data, max, ret_len, ret_size) ||
		  tail_far(cached, name, data, max, ret_len, ret_size, errp);
	pthread_mutex_unlock(stripe);
	return ok;
}

static uint64_t end_of(const struct cache_file *file, const struct cache_blocks *blocks)
{
	uint64_t end = blocks->end * CACHE_BLOCK;
	return end < file->size ? end : file->size;
}

/* Bytes of blocks in memory: what is kept of them, and what is fetched. */
struct piece {
	const char *name;
	const struct cache_file *file;
	struct cache_blocks blocks;
	uint8_t *data;
};

static bool piece_read(const struct piece *piece, struct cache_blocks blocks)
{
	uint64_t start = blocks.first * CACHE_BLOCK;
	if (blocks.first >= blocks.end)
		return true;
	return cache_file_read(piece->file, start, piece->data + (start - piece->blocks.first * CACHE_BLOCK),
			       (size_t)(end_of(piece->file, &blocks) - start));
}

static bool piece_fetch(struct cached *cached, const struct piece *piece, struct cache_blocks blocks, struct err **errp)
{
	uint64_t start = blocks.first * CACHE_BLOCK, len = end_of(piece->file, &blocks) - start;
	uint8_t *data = piece->data + (start - piece->blocks.first * CACHE_BLOCK);
	if (blocks.first >= blocks.end)
		return true;
	if (!backend_get_range(cached->far, piece->name, start, data, (size_t)len, errp))
		return false;
	count_fetch(cached, len);
	keep(cached, piece->name, piece->file, start, SPAN(data, (size_t)len));
	return true;
}

/* The missing ones in one request, with what lies between them. */
static bool piece_fill(struct cached *cached, const struct piece *piece, struct err **errp)
{
	struct cache_blocks missing = piece->blocks;
	cache_file_missing(piece->file, &missing);
	bool all = missing.first == missing.end;
	struct cache_blocks before = {piece->blocks.first, all ? piece->blocks.end : missing.first};
	struct cache_blocks behind = {all ? piece->blocks.end : missing.end, piece->blocks.end};
	if (!piece_read(piece, before) || !piece_read(piece, behind))
		missing = piece->blocks;
	return piece_fetch(cached, piece, missing, errp);
}

/* Nodes are read by windows: the neighbours of a node are soon asked for. */
static struct cache_blocks widen(const char *name, const struct cache_file *file, struct cache_blocks blocks)
{
	const uint64_t window = WINDOW / CACHE_BLOCK, all = (file->size + CACHE_BLOCK - 1) / CACHE_BLOCK;
	if (name[0] != PACK_META)
		return blocks;
	uint64_t end = (blocks.end + window - 1) / window * window;
	return (struct cache_blocks){blocks.first / window * window, end < all ? end : all};
}

static bool range_through(struct cached *cached, const char *name, const struct cache_file *file, uint64_t offset,
			  void *data, size_t len, struct err **errp)
{
	struct piece piece = {.name = name, .file = file};
	piece.blocks = widen(name, file, cache_blocks_around(offset, len));
	uint64_t start = piece.blocks.first * CACHE_BLOCK;
	AUTO(freep) uint8_t *bytes = malloc((size_t)(end_of(file, &piece.blocks) - start));
	if (!bytes)
		return err_set_no_memory(errp);
	piece.data = bytes;
	if (!piece_fill(cached, &piece, errp))
		return false;
	memcpy(data, bytes + (offset - start), len);
	return true;
}

/* The end of a pack is read first, and makes the file; unless it has gone since. */
static bool find_file(struct cached *cached, const char *name, struct cache_file *ret, struct err **errp)
{
	uint64_t size;
	open_file(cached, name, ret);
	if (ret->fd >= 0 || atomic_load(&cached->gave_up))
		return true;
	if (!backend_size(cached->far, name, &size, errp))
		return false;
	count_fetch(cached, 0);
	make_file(cached, name, size, ret);
	return true;
}

static bool range_far(struct cached *cached, const char *name, uint64_t offset, void *data, size_t len,
		      struct err **errp)
{
	count_fetch(cached, len);
	return backend_get_range(cached->far, name, offset, data, len, errp);
}

static bool get_range_kept(struct cached *cached, const char *name, uint64_t offset, void *data, size_t len,
			   struct err **errp)
{
	struct cache_file file;
	if (!find_file(cached, name, &file, errp))
		return false;
	if (read_kept(cached, &file, offset, data, len)) {
		cache_file_close(&file);
		return true;
	}
	bool inside = file.fd >= 0 && offset + len <= file.size;
	bool ok = inside ? range_through(cached, name, &file, offset, data, len, errp)
			 : range_far(cached, name, offset, data, len, errp);
	cache_file_close(&file);
	return ok;
}

static bool cached_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
			     struct err **errp)
{
	struct cached *cached = cached_of(backend);
	if (!is_kept_range(cached, name, offset, len))
		return range_far(cached, name, offset, data, len, errp);
	if (name[0] != PACK_META)
		return get_range_kept(cached, name, offset, data, len, errp);
	pthread_mutex_t *stripe = lock_stripe(cached, name, offset / WINDOW);
	bool ok = get_range_kept(cached, name, offset, data, len, errp);
	pthread_mutex_unlock(stripe);
	return ok;
}

static bool cached_forget(struct backend *backend, const char *name)
{
	struct cached *cached = cached_of(backend);
	if (drop_file(cached, name)) {
		atomic_fetch_add(&cached->dropped, 1);
		log_debug("cache: what was kept of %s is not right; fetching it again", name);
	}
	return is_kept_whole(name) || is_kept_pack(cached, name);
}

static bool cached_keeps(struct backend *backend)
{
	struct cached *cached = cached_of(backend);
	return cached->extent == CACHE_CONTENTS && !atomic_load(&cached->gave_up);
}

/* ---- what is always asked of the far one ---- */

static bool cached_put_once(struct backend *backend, const char *name, struct span body, const uint8_t *sha256,
			    struct err **errp)
{
	return backend_put_once_hashed(cached_of(backend)->far, name, body, sha256, errp);
}

static bool cached_put(struct backend *backend, const char *name, struct span body, struct err **errp)
{
	drop_file(cached_of(backend), name);
	return backend_put(cached_of(backend)->far, name, body, errp);
}

static bool cached_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp)
{
	return backend_size(cached_of(backend)->far, name, ret, errp);
}

static bool cached_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg,
			struct err **errp)
{
	return backend_list(cached_of(backend)->far, prefix, each, arg, errp);
}

static bool cached_remove(struct backend *backend, const char *name, struct err **errp)
{
	drop_file(cached_of(backend), name);
	return backend_remove(cached_of(backend)->far, name, errp);
}

static enum create_once cached_create_once(const struct backend *backend)
{
	return backend_create_once(((const struct cached *)backend)->far);
}

static void cached_use_create_once(struct backend *backend, enum create_once rule)
{
	backend_use_create_once(cached_of(backend)->far, rule);
}

static void cached_free(struct backend *backend)
{
	struct cached *cached = cached_of(backend);
	log_debug("cache: %" PRIuFAST64 " requests fetched %" PRIuFAST64 " bytes; %" PRIuFAST64
		  " were there already; %" PRIuFAST64 " objects were not right",
		  cached->fetches, cached->fetched, cached->served, cached->dropped);
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_destroy(&cached->stripes[i]);
	cache_folder_free(cached->folder);
	backend_free(cached->far);
	free(cached);
}

static const struct backend_ops cached_ops = {
	.put_once = cached_put_once,
	.put = cached_put,
	.get = cached_get,
	.get_range = cached_get_range,
	.get_tail = cached_get_tail,
	.size = cached_size,
	.list = cached_list,
	.remove = cached_remove,
	.forget = cached_forget,
	.keeps = cached_keeps,
	.create_once = cached_create_once,
	.use_create_once = cached_use_create_once,
	.free = cached_free,
};

struct backend *backend_cached_new(struct backend *far, const uint8_t store[STORE_SIZE],
				   const struct backend_cache_options *options, struct err **errp)
{
	struct cached *cached = calloc(1, sizeof(*cached));
	if (!cached) {
		backend_free(far);
		err_set_no_memory(errp);
		return NULL;
	}
	cached->backend = (struct backend){.ops = &cached_ops, .in_flight = far->in_flight};
	cached->far = far;
	cached->extent = options->extent;
	cached->fresh = options->fresh;
	hex_encode(store, STORE_SIZE, cached->store);
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_init(&cached->stripes[i], NULL);
	cached->folder = cache_folder_new(options->folder, options->max_bytes, errp);
	memcpy(cached->run, options->run, sizeof(cached->run));
	if (cached->folder)
		return &cached->backend;
	cached_free(&cached->backend);
	return NULL;
}
