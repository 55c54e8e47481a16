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

static void flip_entry(struct runs *runs, const struct pack_footer *footer, const struct chunk_id *id)
{
	char name[OBJECT_NAME_SIZE];

	object_name_pack(PACK_CHUNKS, &footer->session, footer->seq, name);
	for (size_t i = 0; i < footer->n_entries; i++)
		if (chunk_id_equal(&footer->entries[i].id, id))
			flip(runs, name, footer->entries[i].offset);
}

static bool read_entry(struct pack_reader *reader, const struct pack_footer *footer, uint16_t entry, struct err **errp)
{
	AUTO(freep) uint8_t *plain = malloc(footer->entries[entry].plain_len);
	struct chunk_ref ref = {.id = footer->entries[entry].id,
				.at = {.session = footer->session, .seq = footer->seq, .entry = entry},
				.plain_len = footer->entries[entry].plain_len,
				.plain = plain};

	return pack_reader_chunks(reader, &ref, 1, errp);
}

/* Where a chunk is damaged in both places, the others of these packs are still found. */
static void test_one_loss_does_not_spread(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point old = {0}, again = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	AUTO(pack_footer_release) struct pack_footer first = {0}, second = {0};

	runs_back_up(runs, "web01", 1, plain, LEN, &old);
	assert_true(pack_footer_fetch(runs->repository, PACK_CHUNKS, &old.session, 1, &first, &err));
	flip_entry(runs, &first, &first.entries[0].id);
	flip_entry(runs, &first, &first.entries[1].id);
	AUTO(scrub_report_release) struct scrub_report report = {0};
	assert_true(scrub_run(runs->repository, &(struct scrub_options){.level = SCRUB_DIGESTS}, &report, &err));
	runs_back_up(runs, "web01", 2, plain, LEN, &again);
	assert_true(pack_footer_fetch(runs->repository, PACK_CHUNKS, &again.session, 1, &second, &err));
	flip_entry(runs, &second, &first.entries[0].id);

	AUTO(rescue_freep) struct rescue *rescue = rescue_new(runs->repository, &err);
	AUTO(pack_reader_freep) struct pack_reader *reader = pack_reader_new(runs->repository, 1 << 20, &err);
	pack_reader_set_rescue(reader, rescue);
	assert_false(read_entry(reader, &first, 0, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	err_clear(&err);
	assert_true(read_entry(reader, &first, 1, &err));
	assert_int_equal(rescue_count(rescue), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_old_points_heal, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_old_points_heal, runs_setup_memory, runs_teardown),
		cmocka_unit_test_setup_teardown(test_one_loss_does_not_spread, runs_setup_local, runs_teardown),
	};

	return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}
