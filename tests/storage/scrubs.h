/* SPDX-License-Identifier: Apache-2.0 */
/* Points, what damages them, and scrubs that must see it. */
#pragma once

#include "storage/scrub.h"
#include "tests/storage/runs.h"

#define SCRUBS_LEN ((size_t)3 << 20)

/* Two points, of web01 and web02, that share nothing. */
void scrubs_make(struct runs *runs, struct point *a, struct point *b);
/* Two points of the same pack: web02 needs its first half. */
void scrubs_make_sharing(struct runs *runs, struct point *a, struct point *b);
/* Changes one bit; twice, none. */
void scrubs_flip(struct runs *runs, const char *name, size_t at);
/* By digests. The caller releases the report. */
void scrubs_run(struct runs *runs, struct scrub_report *ret);
void scrubs_run_at(struct runs *runs, enum scrub_level level, struct scrub_report *ret);
/* NULL when the object is not in the report. */
const struct scrub_damage *scrubs_find(const struct scrub_report *report, const char *object);
/* The object is damaged, and hurts this point, and no other. */
void scrubs_must_hurt(const struct scrub_report *report, const char *object, const struct point *point);
