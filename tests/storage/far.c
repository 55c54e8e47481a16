/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/storage/far.h"

#include <stdlib.h>
#include <time.h>

#include "tests/unit.h"

enum { IN_FLIGHT = 32 };

static struct backend *ask(struct backend *backend, uint64_t bytes)
{
	struct far *far = (struct far *)backend;
	const struct timespec delay = {.tv_sec = far->delay_ms / 1000, .tv_nsec = far->delay_ms % 1000 * 1000000L};
	atomic_fetch_add(&far->requests, 1);
	atomic_fetch_add(&far->bytes, bytes);
	unsigned now = atomic_fetch_add(&far->now, 1) + 1, most = atomic_load(&far->most);
	while (now > most && !atomic_compare_exchange_weak(&far->most, &most, now)) {
	}
	if (far->delay_ms > 0)
		nanosleep(&delay, NULL);
	atomic_fetch_sub(&far->now, 1);
	return far->near;
}

static bool far_put_once(struct backend *backend, const char *name, struct span body, const uint8_t *sha256,
			 struct err **errp)
{
	return backend_put_once_hashed(ask(backend, 0), name, body, sha256, errp);
}

static bool far_put(struct backend *backend, const char *name, struct span body, struct err **errp)
{
	return backend_put(ask(backend, 0), name, body, errp);
}

static bool far_get(struct backend *backend, const char *name, size_t max, struct bytes *ret, struct err **errp)
{
	bool ok = backend_get(ask(backend, 0), name, max, ret, errp);
	atomic_fetch_add(&((struct far *)backend)->bytes, ok ? ret->len : 0);
	return ok;
}

static bool far_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
			  struct err **errp)
{
	return backend_get_range(ask(backend, len), name, offset, data, len, errp);
}

static bool far_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
			 uint64_t *ret_size, struct err **errp)
{
	bool ok = backend_get_tail(ask(backend, 0), name, data, max, ret_len, ret_size, errp);
	atomic_fetch_add(&((struct far *)backend)->bytes, ok ? *ret_len : 0);
	return ok;
}

static bool far_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp)
{
	return backend_size(ask(backend, 0), name, ret, errp);
}

static bool far_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg,
		     struct err **errp)
{
	return backend_list(ask(backend, 0), prefix, each, arg, errp);
}

static bool far_remove(struct backend *backend, const char *name, struct err **errp)
{
	return backend_remove(ask(backend, 0), name, errp);
}

static void far_free(struct backend *backend)
{
	backend_free(((struct far *)backend)->near);
	free(backend);
}

static const struct backend_ops far_ops = {
	.put_once = far_put_once,
	.put = far_put,
	.get = far_get,
	.get_range = far_get_range,
	.get_tail = far_get_tail,
	.size = far_size,
	.list = far_list,
	.remove = far_remove,
	.free = far_free,
};

struct far *far_new(struct backend *near, unsigned delay_ms)
{
	struct far *far = calloc(1, sizeof(*far));
	assert_non_null(near);
	assert_non_null(far);
	far->backend = (struct backend){.ops = &far_ops, .in_flight = IN_FLIGHT};
	far->near = near;
	far->delay_ms = delay_ms;
	return far;
}

void far_forget(struct far *far)
{
	atomic_store(&far->requests, 0);
	atomic_store(&far->bytes, 0);
}
