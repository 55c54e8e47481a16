/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the backend share: backend.c opens, put_once.c, read.c, list.c and remove.c are its verbs, probe.c
 * finds out what the service does, versions.c which version of an object counts.
 *
 * Every object is made once. Where the bucket keeps versions, or has kept them, the truth of a name is its oldest
 * version that is no delete marker: what came later, and who deleted it, counts nothing.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "storage/backend_internal.h"
#include "storage/ids.h"
#include "storage/s3/answer.h"
#include "storage/s3/client.h"
#include "storage/s3/versions.h"

struct s3 {
	struct backend backend;
	struct s3_client *client;
	atomic_bool versions;	       /* there may be several of an object */
	atomic_bool proven;	       /* this service was seen to refuse a second object, by this process */
	enum create_once rule;	       /* as the repository recorded it; of the bucket itself while it is being made */
	struct s3_version_cache cache; /* of names whose oldest version is known */
};

static inline struct s3 *s3_of(struct backend *backend)
{
	return (struct s3 *)backend;
}

bool s3_put_once(struct backend *backend, const char *name, struct span body, const uint8_t *sha256, struct err **errp);
bool s3_get(struct backend *backend, const char *name, size_t max, struct bytes *ret, struct err **errp);
bool s3_get_range(struct backend *backend, const char *name, uint64_t offset, void *data, size_t len,
		  struct err **errp);
bool s3_get_tail(struct backend *backend, const char *name, void *data, size_t max, size_t *ret_len, uint64_t *ret_size,
		 struct err **errp);
bool s3_size(struct backend *backend, const char *name, uint64_t *ret, struct err **errp);
bool s3_list(struct backend *backend, const char *prefix, backend_list_function *each, void *arg, struct err **errp);
bool s3_remove(struct backend *backend, const char *name, struct err **errp);

/* The bucket's own state of versioning. */
NODISCARD bool s3_learn_versioning(struct s3 *s3, struct err **errp);
/* For init: refuses what is foreign, and finds the rule by which the bucket decides who was first. ERR_UNSUPPORTED when
 * there is none, unless `single_writer` accepts that. */
NODISCARD bool s3_probe(struct s3 *s3, bool single_writer, struct err **errp);

/* One PUT with the condition that there is no such object. *ret_made: whether it was made; then ret_version has its
 * version, or "". */
NODISCARD bool s3_put(struct s3 *s3, const char *name, struct span body, const uint8_t *sha256, bool *ret_made,
		      char ret_version[S3_VERSION_SIZE], struct err **errp);
/* Deletes one version, or with NULL what the bucket deletes by itself. */
NODISCARD bool s3_delete(struct s3 *s3, const char *name, const char *version, struct err **errp);

/* One page of a list, from the query that s3_list_query() makes. */
NODISCARD bool s3_list_page(struct s3 *s3, const char *query, bool versions, struct s3_page *ret, struct err **errp);
/*
 * The query of the first page whose keys begin with prefix/`name`, or of the page behind `page`. behind: NULL, or the
 * key after which it begins. A new string; NULL with an error.
 */
NODISCARD char *s3_list_query(const struct s3 *s3, const char *name, const char *behind, unsigned max, bool versions,
			      const struct s3_page *page, struct err **errp);
/*
 * In place of *page the one behind it; the first one when *page is empty. ERR_GONE when the list does not advance,
 * ERR_CANCELLED between pages.
 */
NODISCARD bool s3_list_next(struct s3 *s3, const char *name, unsigned max, bool versions, struct s3_page *page,
			    struct err **errp);
/* The name in a key of ours; NULL for any other. */
const char *s3_name_of(const struct s3 *s3, const char *key);
/* "object … is not there", with bucket and key. Returns false. */
bool s3_err_not_found(const struct s3 *s3, const char *name, struct err **errp);
