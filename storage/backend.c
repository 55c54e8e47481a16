/* SPDX-License-Identifier: Apache-2.0 */
/* What is the same for every backend: names are checked before, and errors name the object behind. */
#include "storage/backend.h"

#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "base/pool.h"
#include "storage/backend_internal.h"
#include "storage/ids.h"

static bool part_is_valid(const char *part, size_t len)
{
	if (len == 0 || part[0] == '.' || (len >= 3 && memcmp(part, "tmp", 3) == 0))
		return false;
	return strspn(part, "abcdefghijklmnopqrstuvwxyz0123456789-.") >= len;
}

bool backend_name_is_valid(const char *name)
{
	if (strlen(name) >= OBJECT_NAME_SIZE)
		return false;
	for (const char *part = name;; part++) {
		size_t len = strcspn(part, "/");
		if (!part_is_valid(part, len))
			return false;
		part += len;
		if (!*part)
			return true;
	}
}

bool backend_err_not_found(struct err **errp, const char *name)
{
	return err_set(errp, ERR_NOT_FOUND, "object '%s' is not there", name);
}

bool backend_err_short(struct err **errp, const char *name, uint64_t size, uint64_t offset, size_t len)
{
	return err_set(errp, ERR_CORRUPT, "object '%s' has %" PRIu64 " bytes: %zu at %" PRIu64 " are not there", name,
		       size, len, offset);
}

bool backend_err_exists(struct err **errp, const char *name)
{
	return err_set(errp, ERR_EXISTS, "object '%s' is there already, with other contents", name);
}

static bool check_name(const char *name, struct err **errp)
{
	return backend_name_is_valid(name) || err_set(errp, ERR_FAILED, "'%s' cannot be the name of an object", name);
}

/* Passes success on, and names the object of a failure. */
static bool about(bool done, const char *name, struct err **errp)
{
	return done || err_about(errp, "%s", name);
}

bool backend_put_once(struct backend *backend, const char *name, struct span body, struct err **errp)
{
	return backend_put_once_hashed(backend, name, body, NULL, errp);
}

bool backend_put_once_hashed(struct backend *backend, const char *name, struct span body, const uint8_t *sha256,
			     struct err **errp)
{
	return check_name(name, errp) && about(backend->ops->put_once(backend, name, body, sha256, errp), name, errp);
}

bool backend_put(struct backend *backend, const char *name, struct span body, struct err **errp)
{
	return check_name(name, errp) && about(backend->ops->put(backend, name, body, errp), name, errp);
}

bool backend_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
		       struct err **errp)
{
	return check_name(name, errp) &&
	       about(backend->ops->get_range(backend, name, offset, data, len, errp), name, errp);
}

bool backend_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
		      uint64_t *ret_size, struct err **errp)
{
	return check_name(name, errp) &&
	       about(backend->ops->get_tail(backend, name, data, max, ret_len, ret_size, errp), name, errp);
}

bool backend_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp)
{
	return check_name(name, errp) && about(backend->ops->size(backend, name, ret, errp), name, errp);
}

bool backend_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg,
		  struct err **errp)
{
	return backend->ops->list(backend, prefix, each, arg, errp);
}

bool backend_remove(struct backend *backend, const char *name, struct err **errp)
{
	return check_name(name, errp) && about(backend->ops->remove(backend, name, errp), name, errp);
}

void backend_free(struct backend *backend)
{
	if (backend)
		backend->ops->free(backend);
}

bool backend_read_again(struct backend *backend, const char *name, struct err **errp)
{
	if ((err_code(*errp) != ERR_CORRUPT && err_code(*errp) != ERR_UNSUPPORTED) || !backend->ops->forget ||
	    !backend->ops->forget(backend, name))
		return false;
	err_clear(errp);
	return true;
}

bool backend_keeps(struct backend *backend)
{
	return backend->ops->keeps && backend->ops->keeps(backend);
}

size_t backend_threads(const struct backend *backend)
{
	return backend->in_flight ? backend->in_flight : pool_processors();
}

enum create_once backend_create_once(const struct backend *backend)
{
	return backend->ops->create_once ? backend->ops->create_once(backend) : CREATE_ONCE_OWN;
}

void backend_use_create_once(struct backend *backend, enum create_once rule)
{
	if (backend->ops->use_create_once)
		backend->ops->use_create_once(backend, rule);
}

static bool get_in_steps(struct backend *backend, const char *name, size_t max, struct bytes *ret, struct err **errp)
{
	uint64_t size;
	if (!backend_size(backend, name, &size, errp))
		return false;
	if (size > max) {
		err_set(errp, ERR_CORRUPT, "object '%s' has %" PRIu64 " bytes, more than the %zu that it may have",
			name, size, max);
		return err_about(errp, "%s", name);
	}
	AUTO(bytes_release) struct bytes object;
	bytes_init(&object, max);
	uint8_t *data = bytes_extend(&object, (size_t)size);
	if (!data)
		return err_set_no_memory(errp);
	if (!backend_get_range(backend, name, 0, data, (size_t)size, errp))
		return false;
	*ret = object;
	bytes_init(&object, 0);
	return true;
}

bool backend_get(struct backend *backend, const char *name, size_t max, struct bytes *ret, struct err **errp)
{
	if (!backend->ops->get)
		return get_in_steps(backend, name, max, ret, errp);
	return check_name(name, errp) && about(backend->ops->get(backend, name, max, ret, errp), name, errp);
}
