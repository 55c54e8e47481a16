/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/storage/scrubs.h"

#include <string.h>

#include "base/err.h"
#include "tests/unit.h"

void scrubs_run_at(struct runs *runs, enum scrub_level level, struct scrub_report *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	struct scrub_options options = {.level = level};

	*ret = (struct scrub_report){0};
	if (!scrub_run(runs->repository, &options, ret, &err))
		fail_msg("%s", err_message(err));
}

void scrubs_run(struct runs *runs, struct scrub_report *ret)
{
	scrubs_run_at(runs, SCRUB_DIGESTS, ret);
}

void scrubs_flip(struct runs *runs, const char *name, size_t at)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};

	assert_true(backend_get(repository_backend(runs->repository), name, 64 << 20, &object, &err));
	object.data[at % object.len] ^= 1;
	assert_true(backend_put(repository_backend(runs->repository), name, bytes_span(&object), &err));
}

const struct scrub_damage *scrubs_find(const struct scrub_report *report, const char *object)
{
	for (size_t i = 0; i < report->n_damaged; i++)
		if (strcmp(report->damaged[i].object, object) == 0)
			return &report->damaged[i];
	return NULL;
}

void scrubs_make(struct runs *runs, struct point *a, struct point *b)
{
	AUTO(freep) uint8_t *plain = runs_bytes(1, SCRUBS_LEN);
	AUTO(freep) uint8_t *other = runs_bytes(2, SCRUBS_LEN);

	runs_back_up(runs, "web01", 1, plain, SCRUBS_LEN, a);
	runs_back_up(runs, "web02", 2, other, SCRUBS_LEN, b);
}

void scrubs_must_hurt(const struct scrub_report *report, const char *object, const struct point *point)
{
	const struct scrub_damage *damage = scrubs_find(report, object);

	if (!damage)
		fail_msg("%s is not named", object);
	assert_int_equal(damage->n_points, 1);
	assert_int_equal(damage->n_hurt, 1);
	assert_int_equal(damage->n_may_hurt, 0);
	const struct scrub_point *hurt = &report->hurt[damage->points[0].point];
	assert_memory_equal(hurt->id, point->id, POINT_ID_SIZE);
	assert_string_equal(hurt->workload, point->workload);
	assert_int_equal(hurt->judgement, POINT_HURT);
	assert_int_equal(hurt->by_level[damage->level].streams[0], 1);
}

void scrubs_make_sharing(struct runs *runs, struct point *a, struct point *b)
{
	AUTO(freep) uint8_t *plain = runs_bytes(1, SCRUBS_LEN);

	runs_back_up(runs, "web01", 1, plain, SCRUBS_LEN, a);
	runs_back_up(runs, "web02", 2, plain, SCRUBS_LEN / 2, b);
}
