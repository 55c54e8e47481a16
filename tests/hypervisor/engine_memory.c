/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every change map records the writes since its cut, each by itself: a write is noted in all of them. A cut copies the
 * disks and the map it was asked for, so that writes after it are not seen.
 */
#include "tests/hypervisor/engine_memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

#define GRAIN 4096u
#define MAPS 8

struct memory_disk {
	uint8_t *data;
	uint64_t size;
};

struct memory_map {
	char name[TRACKING_MAX + 1]; /* empty: free */
	bool *dirty[ENGINE_DISKS_MAX];
};

struct memory_engine {
	struct engine seam;
	pthread_mutex_t lock;
	char *name;
	struct memory_disk disks[ENGINE_DISKS_MAX];
	size_t n;
	char *definition;
	struct memory_map maps[MAPS];
	unsigned made, cuts;
	bool shut_off;
	atomic_uint fail_read;
	atomic_bool broken;
	atomic_uint_fast64_t bytes_read;
	void (*on_read)(void *arg);
	void *on_read_arg;
};

struct cut {
	struct memory_engine *memory;
	struct cut_info info;
	struct memory_disk disks[ENGINE_DISKS_MAX];
	bool *changed[ENGINE_DISKS_MAX]; /* NULL: not tracked */
	char old[TRACKING_MAX + 1];
};

struct cut_reader {
	struct cut *cut;
	size_t disk;
};

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

static uint64_t grains(uint64_t size)
{
	return size / GRAIN + 1;
}

static struct memory_map *find_map(struct memory_engine *memory, const char *name)
{
	for (size_t i = 0; i < MAPS; i++)
		if (strcmp(memory->maps[i].name, name) == 0)
			return &memory->maps[i];
	return NULL;
}

static void drop_map(struct memory_engine *memory, struct memory_map *map)
{
	for (size_t i = 0; i < memory->n; i++)
		free(map->dirty[i]);
	*map = (struct memory_map){0};
}

static void drop_other_maps(struct memory_engine *memory, const char *kept)
{
	for (size_t i = 0; i < MAPS; i++)
		if (memory->maps[i].name[0] && strcmp(memory->maps[i].name, kept) != 0)
			drop_map(memory, &memory->maps[i]);
}

static void new_map(struct memory_engine *memory, char name[TRACKING_MAX + 1])
{
	struct memory_map *map = must(find_map(memory, ""));

	snprintf(name, TRACKING_MAX + 1, "map-%u", ++memory->made);
	memcpy(map->name, name, TRACKING_MAX + 1);
	for (size_t i = 0; i < memory->n; i++)
		map->dirty[i] = must(calloc(grains(memory->disks[i].size), sizeof(bool)));
}

static bool list(struct engine *engine, bool (*each)(void *, const char *, const char *, struct err **), void *arg,
		 struct err **errp)
{
	return each(arg, ((struct memory_engine *)engine)->name, "running", errp);
}

static bool describe(struct engine *engine, const char *name, struct workload *ret, struct err **errp)
{
	struct memory_engine *memory = (struct memory_engine *)engine;

	if (strcmp(name, memory->name) != 0)
		return err_set(errp, ERR_NOT_FOUND, "there is no '%s'", name);
	*ret = (struct workload){.id = "memory engine 1", .name = must(strdup(name)), .n_disks = memory->n};
	ret->disks = must(calloc(memory->n, sizeof(*ret->disks)));
	for (size_t i = 0; i < memory->n; i++) {
		snprintf(ret->disks[i].name, sizeof(ret->disks[i].name), "vd%c", (char)('a' + i));
		ret->disks[i].size = memory->disks[i].size;
		ret->disks[i].source = must(strdup("memory"));
	}
	bytes_init(&ret->definition, 65536);
	bytes_put(&ret->definition, memory->definition, strlen(memory->definition));
	return true;
}

static bool *copy_dirty(const struct memory_map *map, size_t disk, uint64_t size)
{
	size_t len = grains(size) * sizeof(bool);

	return memcpy(must(malloc(len)), map->dirty[disk], len);
}

static void copy_disk(struct cut *cut, size_t i, const struct memory_map *map)
{
	const struct memory_disk *disk = &cut->memory->disks[i];

	cut->disks[i] = *disk;
	cut->disks[i].data = memcpy(must(malloc(disk->size + 1)), disk->data, disk->size);
	if (!map)
		cut->info.fallback_reason[i] = FALLBACK_BITMAP_MISSING;
	else
		cut->changed[i] = copy_dirty(map, i, disk->size);
}

/* Nobody tracks what is read now: the map that was asked for goes on. */
static void cut_shut_off(struct cut *cut, const char *tracking)
{
	for (size_t i = 0; i < cut->memory->n; i++) {
		copy_disk(cut, i, NULL);
		cut->info.fallback_reason[i] = FALLBACK_UNTRACKED;
	}
	memcpy(cut->info.tracking, tracking, strlen(tracking) + 1);
}

static bool make_cut(struct engine *engine, const struct workload *workload, const struct cut_request *request,
		     struct cut **ret, struct err **errp)
{
	struct memory_engine *memory = (struct memory_engine *)engine;
	struct cut *cut = must(calloc(1, sizeof(*cut)));
	const char *tracking = request->tracking ? request->tracking : "";

	pthread_mutex_lock(&memory->lock);
	cut->memory = memory;
	if (memory->shut_off) {
		cut_shut_off(cut, tracking);
	} else {
		drop_other_maps(memory, tracking);
		memcpy(cut->old, tracking, strlen(tracking) + 1);
		for (size_t i = 0; i < memory->n; i++)
			copy_disk(cut, i, tracking[0] ? find_map(memory, tracking) : NULL);
		new_map(memory, cut->info.tracking);
	}
	memory->cuts++;
	pthread_mutex_unlock(&memory->lock);
	cut->info.cut_ns = clock_now_ns();
	cut->info.consistency = CUT_CRASH;
	*ret = cut;
	return describe(engine, workload->name, &cut->info.workload, errp);
}

static const struct cut_info *info(const struct cut *cut)
{
	return &cut->info;
}

static bool map(struct cut *cut, size_t disk, extent_function *each, void *arg, struct err **errp)
{
	const struct memory_disk *at = &cut->disks[disk];

	for (uint64_t offset = 0; offset < at->size; offset += GRAIN) {
		uint64_t length = at->size - offset < GRAIN ? at->size - offset : GRAIN;
		bool changed = !cut->changed[disk] || cut->changed[disk][offset / GRAIN];
		struct extent extent = {offset, length, changed, bytes_all_zero(at->data + offset, length)};

		if (!each(arg, &extent, errp))
			return false;
	}
	return true;
}

static struct cut_reader *reader_new(struct cut *cut, size_t disk, struct err **errp)
{
	struct cut_reader *reader = must(malloc(sizeof(*reader)));

	(void)errp;
	*reader = (struct cut_reader){cut, disk};
	return reader;
}

static bool read_some(struct cut_reader *reader, struct read_request *requests, size_t n, struct err **errp)
{
	struct memory_engine *memory = reader->cut->memory;

	if (memory->on_read)
		memory->on_read(memory->on_read_arg);
	if (atomic_load(&memory->fail_read) > 0 && atomic_fetch_sub(&memory->fail_read, 1) == 1)
		return err_set(errp, ERR_FAILED, "a read failed as it was told to");
	for (size_t i = 0; i < n; i++) {
		memcpy(requests[i].data, reader->cut->disks[reader->disk].data + requests[i].offset,
		       requests[i].length);
		atomic_fetch_add(&memory->bytes_read, requests[i].length);
	}
	return true;
}

static void reader_free(struct cut_reader *reader)
{
	free(reader);
}

static bool check(struct cut *cut, struct err **errp)
{
	if (!atomic_exchange(&cut->memory->broken, false))
		return true;
	return err_set(errp, ERR_BUSY, "the cut broke as it was told to");
}

static void end_cut(struct cut *cut, const char *map_to_drop)
{
	struct memory_engine *memory = cut->memory;

	pthread_mutex_lock(&memory->lock);
	struct memory_map *map = map_to_drop[0] ? find_map(memory, map_to_drop) : NULL;
	if (map)
		drop_map(memory, map);
	memory->cuts--;
	pthread_mutex_unlock(&memory->lock);
	for (size_t i = 0; i < memory->n; i++) {
		free(cut->disks[i].data);
		free(cut->changed[i]);
	}
	workload_release(&cut->info.workload);
	free(cut);
}

static bool keep(struct cut *cut, struct err **errp)
{
	(void)errp;
	end_cut(cut, cut->old);
	return true;
}

static void drop(struct cut *cut)
{
	if (cut)
		end_cut(cut, cut->memory->shut_off ? "" : cut->info.tracking);
}

static void engine_memory_free(struct engine *engine)
{
	struct memory_engine *memory = (struct memory_engine *)engine;

	drop_other_maps(memory, "");
	for (size_t i = 0; i < memory->n; i++)
		free(memory->disks[i].data);
	pthread_mutex_destroy(&memory->lock);
	free(memory->name);
	free(memory->definition);
	free(memory);
}

static const struct engine_ops memory_ops = {
	.name = "memory",
	.list = list,
	.describe = describe,
	.cut = make_cut,
	.info = info,
	.map = map,
	.reader_new = reader_new,
	.read = read_some,
	.reader_free = reader_free,
	.check = check,
	.keep = keep,
	.drop = drop,
	.free = engine_memory_free,
};

struct memory_engine *memory_engine_new(const char *workload, const uint64_t *sizes, size_t n)
{
	struct memory_engine *memory = must(calloc(1, sizeof(*memory)));

	memory->seam.ops = &memory_ops;
	pthread_mutex_init(&memory->lock, NULL);
	memory->name = must(strdup(workload));
	memory->definition = must(strdup(""));
	memory->n = n;
	for (size_t i = 0; i < n; i++)
		memory->disks[i] = (struct memory_disk){must(calloc(1, sizes[i] + 1)), sizes[i]};
	return memory;
}

struct engine *memory_engine_seam(struct memory_engine *memory)
{
	return &memory->seam;
}

void memory_engine_write_unseen(struct memory_engine *memory, size_t disk, uint64_t offset, const void *data,
				size_t len)
{
	if (len == 0 || offset + len > memory->disks[disk].size)
		abort();
	memcpy(memory->disks[disk].data + offset, data, len);
}

void memory_engine_write(struct memory_engine *memory, size_t disk, uint64_t offset, const void *data, size_t len)
{
	pthread_mutex_lock(&memory->lock);
	memory_engine_write_unseen(memory, disk, offset, data, len);
	for (size_t i = 0; i < MAPS; i++)
		for (uint64_t grain = offset / GRAIN; memory->maps[i].name[0] && grain <= (offset + len - 1) / GRAIN;
		     grain++)
			memory->maps[i].dirty[disk][grain] = true;
	pthread_mutex_unlock(&memory->lock);
}

static bool *resized_dirty(bool *dirty, uint64_t old_size, uint64_t new_size)
{
	bool *resized = must(calloc(grains(new_size), sizeof(bool)));
	uint64_t both = grains(old_size < new_size ? old_size : new_size);

	memcpy(resized, dirty, both * sizeof(bool));
	free(dirty);
	return resized;
}

void memory_engine_resize(struct memory_engine *memory, size_t disk, uint64_t size)
{
	struct memory_disk *at = &memory->disks[disk];
	uint8_t *data = must(calloc(1, size + 1));

	pthread_mutex_lock(&memory->lock);
	memcpy(data, at->data, at->size < size ? at->size : size);
	for (size_t i = 0; i < MAPS; i++)
		if (memory->maps[i].name[0])
			memory->maps[i].dirty[disk] = resized_dirty(memory->maps[i].dirty[disk], at->size, size);
	free(at->data);
	*at = (struct memory_disk){data, size};
	pthread_mutex_unlock(&memory->lock);
}

const uint8_t *memory_engine_disk(const struct memory_engine *memory, size_t disk, uint64_t *ret_size)
{
	*ret_size = memory->disks[disk].size;
	return memory->disks[disk].data;
}

void memory_engine_define(struct memory_engine *memory, const char *definition)
{
	free(memory->definition);
	memory->definition = must(strdup(definition));
}

void memory_engine_fail_read(struct memory_engine *memory, unsigned nth)
{
	atomic_store(&memory->fail_read, nth);
}

void memory_engine_break(struct memory_engine *memory)
{
	atomic_store(&memory->broken, true);
}

void memory_engine_lose_maps(struct memory_engine *memory)
{
	drop_other_maps(memory, "");
}

void memory_engine_shut_off(struct memory_engine *memory, bool shut_off)
{
	memory->shut_off = shut_off;
}

static void copy_image(struct memory_engine *memory, size_t disk, struct memory_image *image, bool back)
{
	struct memory_disk *at = &memory->disks[disk];
	bool *dirty = memory->maps[0].dirty[disk];

	memcpy(back ? at->data : image->data, back ? image->data : at->data, at->size);
	memcpy(back ? dirty : image->dirty, back ? image->dirty : dirty, grains(at->size) * sizeof(bool));
}

void memory_engine_save(struct memory_engine *memory, size_t disk, struct memory_image *ret)
{
	uint64_t size = memory->disks[disk].size;

	*ret = (struct memory_image){must(malloc(size + 1)), must(calloc(grains(size), sizeof(bool)))};
	copy_image(memory, disk, ret, false);
}

void memory_engine_revert(struct memory_engine *memory, size_t disk, struct memory_image *image)
{
	copy_image(memory, disk, image, true);
	free(image->data);
	free(image->dirty);
}

void memory_engine_on_read(struct memory_engine *memory, void (*on_read)(void *arg), void *arg)
{
	memory->on_read = on_read;
	memory->on_read_arg = arg;
}

uint64_t memory_engine_bytes_read(struct memory_engine *memory)
{
	return atomic_exchange(&memory->bytes_read, 0);
}

unsigned memory_engine_cuts(const struct memory_engine *memory)
{
	return memory->cuts;
}

unsigned memory_engine_maps(const struct memory_engine *memory)
{
	unsigned n = 0;

	for (size_t i = 0; i < MAPS; i++)
		n += memory->maps[i].name[0] != '\0';
	return n;
}
