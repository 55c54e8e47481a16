/* SPDX-License-Identifier: Apache-2.0 */
/* Objects in a sorted array under one mutex. A caller's function is called without the mutex, so it may use the
 * backend. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/backend_internal.h"
#include "storage/ids.h"

struct object {
	char name[OBJECT_NAME_SIZE];
	uint8_t *data;
	size_t len;
};

struct memory {
	struct backend backend;
	pthread_mutex_t lock;
	struct object *objects; /* ascending by name */
	size_t n, room;
};

static struct memory *memory_of(struct backend *backend)
{
	return (struct memory *)backend;
}

/* The first object whose name is not below `name`. */
static size_t lower_bound(const struct memory *memory, const char *name)
{
	size_t low = 0, high = memory->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(memory->objects[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct object *find(const struct memory *memory, const char *name)
{
	size_t at = lower_bound(memory, name);
	return at < memory->n && strcmp(memory->objects[at].name, name) == 0 ? &memory->objects[at] : NULL;
}

static uint8_t *copy_of(struct span body)
{
	uint8_t *copy = malloc(body.len > 0 ? body.len : 1);
	if (copy && body.len > 0)
		memcpy(copy, body.data, body.len);
	return copy;
}

static bool grow(struct memory *memory)
{
	if (memory->n < memory->room)
		return true;
	size_t room = memory->room > 0 ? 2 * memory->room : 16;
	struct object *objects = reallocarray(memory->objects, room, sizeof(*objects));
	if (!objects)
		return false;
	memory->objects = objects;
	memory->room = room;
	return true;
}

static bool insert(struct memory *memory, const char *name, struct span body, struct err **errp)
{
	uint8_t *data = copy_of(body);
	if (!data || !grow(memory)) {
		free(data);
		return err_set_no_memory(errp);
	}
	size_t at = lower_bound(memory, name);
	struct object *object = &memory->objects[at];
	memmove(object + 1, object, (memory->n - at) * sizeof(*object));
	memory->n++;
	*object = (struct object){.data = data, .len = body.len};
	memcpy(object->name, name, strlen(name) + 1);
	return true;
}

static bool replace(struct object *object, struct span body, struct err **errp)
{
	uint8_t *data = copy_of(body);
	if (!data)
		return err_set_no_memory(errp);
	free(object->data);
	object->data = data;
	object->len = body.len;
	return true;
}

static bool memory_put_once(struct backend *backend, const char *name, struct span body, const uint8_t *sha256,
			    struct err **errp)
{
	(void)sha256;
	struct memory *memory = memory_of(backend);
	pthread_mutex_lock(&memory->lock);
	const struct object *object = find(memory, name);
	bool done;
	if (!object)
		done = insert(memory, name, body, errp);
	else if (object->len == body.len && (body.len == 0 || memcmp(object->data, body.data, body.len) == 0))
		done = true;
	else
		done = backend_err_exists(errp, name);
	pthread_mutex_unlock(&memory->lock);
	return done;
}

static bool memory_put(struct backend *backend, const char *name, struct span body, struct err **errp)
{
	struct memory *memory = memory_of(backend);
	pthread_mutex_lock(&memory->lock);
	struct object *object = find(memory, name);
	bool done = object ? replace(object, body, errp) : insert(memory, name, body, errp);
	pthread_mutex_unlock(&memory->lock);
	return done;
}

static bool copy_range(const struct object *object, const char *name, uint64_t offset, void *data, size_t len,
		       struct err **errp)
{
	if (!object)
		return backend_err_not_found(errp, name);
	if (offset > object->len || len > object->len - offset)
		return backend_err_short(errp, name, object->len, offset, len);
	if (len > 0)
		memcpy(data, object->data + offset, len);
	return true;
}

static bool memory_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
			     struct err **errp)
{
	struct memory *memory = memory_of(backend);
	pthread_mutex_lock(&memory->lock);
	bool done = copy_range(find(memory, name), name, offset, data, len, errp);
	pthread_mutex_unlock(&memory->lock);
	return done;
}

static bool memory_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
			    uint64_t *ret_size, struct err **errp)
{
	struct memory *memory = memory_of(backend);
	pthread_mutex_lock(&memory->lock);
	const struct object *object = find(memory, name);
	size_t size = object ? object->len : 0;
	size_t len = size < max ? size : max;
	bool done = copy_range(object, name, size - len, data, len, errp);
	pthread_mutex_unlock(&memory->lock);
	if (done) {
		*ret_len = len;
		*ret_size = size;
	}
	return done;
}

static bool memory_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp)
{
	struct memory *memory = memory_of(backend);
	pthread_mutex_lock(&memory->lock);
	const struct object *object = find(memory, name);
	if (object)
		*ret = object->len;
	pthread_mutex_unlock(&memory->lock);
	return object || backend_err_not_found(errp, name);
}

/* The first object behind `last` (which may be empty) that has the prefix. */
static bool next_of(struct memory *memory, const char *prefix, char last[OBJECT_NAME_SIZE], uint64_t *ret_size)
{
	pthread_mutex_lock(&memory->lock);
	size_t at = lower_bound(memory, *last ? last : prefix);
	if (*last && at < memory->n && strcmp(memory->objects[at].name, last) == 0)
		at++;
	bool found = at < memory->n && strncmp(memory->objects[at].name, prefix, strlen(prefix)) == 0;
	if (found) {
		memcpy(last, memory->objects[at].name, OBJECT_NAME_SIZE);
		*ret_size = memory->objects[at].len;
	}
	pthread_mutex_unlock(&memory->lock);
	return found;
}

static bool memory_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg,
			struct err **errp)
{
	char name[OBJECT_NAME_SIZE] = "";
	uint64_t size;
	while (next_of(memory_of(backend), prefix, name, &size))
		if (!each(arg, name, size, errp))
			return false;
	return true;
}

static bool memory_remove(struct backend *backend, const char *name, struct err **errp)
{
	struct memory *memory = memory_of(backend);
	pthread_mutex_lock(&memory->lock);
	struct object *object = find(memory, name);
	if (object) {
		free(object->data);
		size_t behind = memory->n - (size_t)(object - memory->objects) - 1;
		memmove(object, object + 1, behind * sizeof(*object));
		memory->n--;
	}
	pthread_mutex_unlock(&memory->lock);
	return object || backend_err_not_found(errp, name);
}

static void memory_free(struct backend *backend)
{
	struct memory *memory = memory_of(backend);
	for (size_t i = 0; i < memory->n; i++)
		free(memory->objects[i].data);
	free(memory->objects);
	pthread_mutex_destroy(&memory->lock);
	free(memory);
}

static const struct backend_ops memory_ops = {
	.put_once = memory_put_once,
	.put = memory_put,
	.get_range = memory_get_range,
	.get_tail = memory_get_tail,
	.size = memory_size,
	.list = memory_list,
	.remove = memory_remove,
	.free = memory_free,
};

struct backend *backend_memory_new(struct err **errp)
{
	struct memory *memory = calloc(1, sizeof(*memory));
	if (!memory) {
		err_set_no_memory(errp);
		return NULL;
	}
	memory->backend.ops = &memory_ops;
	pthread_mutex_init(&memory->lock, NULL);
	return &memory->backend;
}
