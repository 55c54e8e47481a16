/* SPDX-License-Identifier: Apache-2.0 */
/* What is damaged where it lies is read from where it was stored again. */
#include "storage/rescue.h"

#include <stdlib.h>

#include "storage/scrub.h"
#include "storage/stream_read.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

#define LEN ((size_t)2 << 20)

static void flip(struct runs *runs, const char *name, size_t at)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};

	assert_true(backend_get(repository_backend(runs->repository), name, 64 << 20, &object, &err));
	object.data[at] ^= 1;
	assert_true(backend_put(repository_backend(runs->repository), name, bytes_span(&object), &err));
}

static void scrub(struct runs *runs)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(scrub_report_release) struct scrub_report report = {0};
	const struct scrub_options options = {.level = SCRUB_DIGESTS};

	assert_true(scrub_run(runs->repository, &options, &report, &err));
	assert_int_equal(report.n_damaged, 2);
}

/* Gives how many places were read from elsewhere; fails with the code, or 0: reads what the point holds. */
static uint64_t read_with_rescue(struct runs *runs, const struct point *point, const uint8_t *plain,
				 enum err_code expected)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	AUTO(rescue_freep) struct rescue *rescue = rescue_new(runs->repository, &err);
	AUTO(pack_reader_freep) struct pack_reader *reader = pack_reader_new(runs->repository, 1 << 20, &err);

	assert_non_null(rescue);
	pack_reader_set_rescue(reader, rescue);
	bool ok = stream_read_all(reader, &point->streams[0], LEN, &bytes, &err);
	assert_int_equal(ok ? 0 : err_code(err), expected);
	if (ok)
		assert_memory_equal(bytes.data, plain, LEN);
	return rescue_count(rescue);
}

static void test_old_points_heal(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point old = {0}, again = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 1, plain, LEN, &old);
	assert_int_equal(read_with_rescue(runs, &old, plain, 0), 0);
	object_name_pack(PACK_CHUNKS, &old.session, 1, chunks);
	object_name_pack(PACK_META, &old.session, old.streams[0].top.at.seq, nodes);
	flip(runs, chunks, 70); /* in the first chunk of it */
	flip(runs, nodes, 70);
	assert_int_equal(read_with_rescue(runs, &old, plain, ERR_CORRUPT), 0);
	scrub(runs);
	runs_back_up(runs, "web01", 2, plain, LEN, &again);
	assert_int_equal(read_with_rescue(runs, &again, plain, 0), 0);
	assert_int_equal(read_with_rescue(runs, &old, plain, 0), 1); /* a node, and it leads to sound chunks */
	flip(runs, nodes, 70);
	assert_int_equal(read_with_rescue(runs, &old, plain, 0), 1); /* a chunk */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_old_points_heal, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_old_points_heal, runs_setup_memory, runs_teardown),
	};

	return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}
