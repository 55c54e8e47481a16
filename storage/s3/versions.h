/* SPDX-License-Identifier: Apache-2.0 */
/* Which version of an object is the oldest. What was found is remembered, in a table that does not grow. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "storage/ids.h"
#include "storage/s3/headers.h"

struct err;
struct s3;

struct s3_version {
	char id[S3_VERSION_SIZE]; /* "null" for one that was made while no versions were kept */
	uint64_t size;
};

struct s3_version_entry;

struct s3_version_cache {
	pthread_mutex_t lock;
	struct s3_version_entry
		*entries; /* NULL until the first; each name has one place, and whoever comes later takes it */
};

void s3_version_cache_init(struct s3_version_cache *cache);
void s3_version_cache_release(struct s3_version_cache *cache);
/* Without memory it is not remembered, and asked for again. */
void s3_version_remember(struct s3_version_cache *cache, const char *name, const char *id);
void s3_version_forget(struct s3_version_cache *cache, const char *name);

/* What a list calls "null" is "" in the headers of answers. */
bool s3_version_is(const char *listed, const char *answered);
/*
 * As it is now. *ret_found: false when there is none but delete markers, and when `ours`, which was just made, is not
 * in the list yet (NULL: nothing was).
 */
NODISCARD bool s3_version_oldest(struct s3 *s3, const char *name, const char *ours, struct s3_version *ret,
				 bool *ret_found, struct err **errp);
/* Its id, perhaps as it was remembered. ERR_NOT_FOUND. */
NODISCARD bool s3_version_known(struct s3 *s3, const char *name, char ret[S3_VERSION_SIZE], struct err **errp);
