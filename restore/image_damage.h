/* SPDX-License-Identifier: Apache-2.0 */
/* Which parts of a stream could not be read, by what object. Any thread may add. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;

struct damaged_range {
	uint64_t offset, len;
	char *object; /* "p/…"; NULL where no object is known */
	char *reason;
};

/* A disk that died may damage every chunk: beyond a bound, ranges are only counted. */
struct image_damage {
	pthread_mutex_t lock;
	struct damaged_range *ranges; /* after image_damage_sort(): ascending, neighbours of one object joined */
	size_t n;
	uint64_t bytes; /* in all */
	bool more;	/* ranges beyond the bound */
};

void image_damage_init(struct image_damage *damage);
void image_damage_release(struct image_damage *damage);
/* What *errp says is damage: it is taken and added, and *errp is empty again. Anything else stays: false. */
NODISCARD bool image_damage_take(struct image_damage *damage, uint64_t offset, uint64_t len, struct err **errp);
/* When nobody adds any more. */
void image_damage_sort(struct image_damage *damage);
