/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which points really need what is damaged. A pack set may name too many packs, and of a damaged pack most chunks may
 * still be good: so the trees of the points whose pack sets name a damaged pack are walked, shared subtrees once, and
 * the chunks of damaged packs are opened one by one. What cannot be decided, for a key that may not read, or because
 * there is too much to look at, may hurt. What lies elsewhere, too, is not looked for. Not thread-safe.
 */
#pragma once

#include "base/cancel.h"
#include "storage/pack_read.h"
#include "storage/point.h"

enum judgement { POINT_WHOLE, POINT_MAY_BE_HURT, POINT_HURT };

struct commit;
struct judge;

struct judge_options {
	const struct repository *repository;
	struct pack_reader *reader;	/* without a rescue */
	const struct pack_set *damaged; /* packs that are not what they must be, or are gone */
	const struct cancel *cancel;	/* may be NULL */
};

/* A stream of the point needs what is damaged in this pack; not certain: it may. NULL: nobody knows which stream. */
typedef bool judge_found_function(void *arg, const struct stream *stream, enum pack_class cls, const struct locator *at,
				  bool certain, struct err **errp);

/* All of the options is borrowed until the end. */
NODISCARD struct judge *judge_new(const struct judge_options *options, struct err **errp);
void judge_free(struct judge *judge);
DEFINE_AUTO_FREE(struct judge, judge_free);
/* `found`, which may be NULL, is called once for each stream and pack. */
NODISCARD bool judge_point(struct judge *judge, const struct commit *commit, enum judgement *ret,
			   judge_found_function *found, void *arg, struct err **errp);
