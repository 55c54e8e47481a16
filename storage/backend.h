/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seam to where objects lie: what plain S3 can promise and no more. Object names are lower-case hex, '/' and
 * '.', at most OBJECT_NAME_SIZE - 1 long. An object is written whole, in one call, and never changed.
 * Every function may block on disk or network, is thread-safe, and names the object in its errors.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct cancel;
struct err;
struct backend;

/* Who of two writers was first at a name. What is not the store's own is recorded in `config`, so the numbers are for
 * ever. */
enum create_once {
	CREATE_ONCE_OWN = 0,	/* the store refuses the second object */
	CREATE_ONCE_OLDEST = 1, /* the oldest version of the object counts */
	CREATE_ONCE_ALONE = 2,	/* nobody can tell: one machine writes, on the user's word */
};

/* Called for each object in the order of names. Return false (with errp set) to stop with that error. */
typedef bool backend_list_function(void *arg, const char *name, uint64_t size, struct err **errp);

struct backend_ops {
	/* Makes the object durable, or fails with ERR_EXISTS when the name holds other bytes. The same bytes count as
	 * ours. sha256 is that of the body, where the caller knows it; NULL. */
	bool (*put_once)(struct backend *backend, const char *name, struct span body, const uint8_t *sha256,
			 struct err **errp);
	/* Makes or replaces the object, durably: for tests, which damage objects. NULL where the place has no such
	 * thing. */
	bool (*put)(struct backend *backend, const char *name, struct span body, struct err **errp);
	/* The whole object, of at most max bytes: ERR_CORRUPT when it is larger. NULL: size, then get_range. */
	bool (*get)(struct backend *backend, const char *name, size_t max, struct bytes *ret, struct err **errp);
	/* Exactly len bytes at offset. ERR_NOT_FOUND; ERR_CORRUPT when the object is shorter. */
	bool (*get_range)(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
			  struct err **errp);
	/* The last at most max bytes, into data; gives how many, and the size of the object. */
	bool (*get_tail)(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
			 uint64_t *ret_size, struct err **errp);
	/* ERR_NOT_FOUND when it is not there. */
	bool (*size)(struct backend *backend, const char *name, uint64_t *ret, struct err **errp);
	/* All objects whose name begins with prefix ("p/", "w/0a1b…"), ascending. None is no error. What has the name
	 * of an object and is none is given too, with size 0. */
	bool (*list)(struct backend *backend, const char *prefix, backend_list_function *each, void *arg,
		     struct err **errp);
	/* ERR_NOT_FOUND when it is not there. */
	bool (*remove)(struct backend *backend, const char *name, struct err **errp);
	/* Drops what a cache has of the object; whether there is a cache that may have it. NULL: none. */
	bool (*forget)(struct backend *backend, const char *name);
	/* Whether chunks that are fetched now need not be fetched again when they are read. NULL: no. */
	bool (*keeps)(struct backend *backend);
	/* The rule that a new repository is to record, and the one that an old one recorded, before anything is made in
	 * it. Both NULL where put_once is always the store's own. */
	enum create_once (*create_once)(const struct backend *backend);
	void (*use_create_once)(struct backend *backend, enum create_once rule);
	void (*free)(struct backend *backend);
};

/* Embedded first in each backend's own struct. */
struct backend {
	const struct backend_ops *ops;
	unsigned in_flight; /* requests at once that pay, where each takes its time on the way; 0: it is near by */
};

struct backend_options {
	bool create; /* it is about to become a repository: made when missing, and refused when it cannot be one */
	bool single_writer;	     /* with create: also where nobody can tell who was first */
	uint64_t limit_rate;	     /* bytes a second over a network, both ways together; 0: no limit */
	const struct cancel *cancel; /* once requested, what a network failed to do is not tried again; NULL; borrowed
					until the end */
};

/* A local folder. With `create`, makes it when missing or empty, and refuses where create-once is not to be had. */
NODISCARD struct backend *backend_local_open(const char *path, bool create, struct err **errp);
/* Objects in memory, for tests. */
NODISCARD struct backend *backend_memory_new(struct err **errp);
/* Chooses by URL: a path (absolute or relative), or a bucket (storage/s3/url.h). The URL is borrowed. ERR_UNSUPPORTED
 * for a scheme that it does not know. */
NODISCARD struct backend *backend_open(const char *url, const struct backend_options *options, struct err **errp);
void backend_free(struct backend *backend);
DEFINE_AUTO_FREE(struct backend, backend_free);

/* Whole object of at most max bytes; ERR_CORRUPT when it is larger. Caller releases ret. */
NODISCARD bool backend_get(struct backend *backend, const char *name, size_t max, struct bytes *ret, struct err **errp);
NODISCARD bool backend_put_once(struct backend *backend, const char *name, struct span body, struct err **errp);
/* sha256 is that of the body: a far place has its integrity checked by it, and is spared the work. */
NODISCARD bool backend_put_once_hashed(struct backend *backend, const char *name, struct span body,
				       const uint8_t *sha256, struct err **errp);
NODISCARD bool backend_put(struct backend *backend, const char *name, struct span body, struct err **errp);
NODISCARD bool backend_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
				 struct err **errp);
NODISCARD bool backend_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len,
				uint64_t *ret_size, struct err **errp);
NODISCARD bool backend_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp);
NODISCARD bool backend_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg,
			    struct err **errp);
NODISCARD bool backend_remove(struct backend *backend, const char *name, struct err **errp);
/*
 * After something that was read of the object turned out to be damaged: true when it may have come from a cache. That
 * has dropped it now, *errp is cleared, and reading it once more says what the object is.
 */
bool backend_read_again(struct backend *backend, const char *name, struct err **errp);
bool backend_keeps(struct backend *backend);
/* Threads that pay where each waits for one request after the other. */
size_t backend_threads(const struct backend *backend);
enum create_once backend_create_once(const struct backend *backend);
void backend_use_create_once(struct backend *backend, enum create_once rule);
