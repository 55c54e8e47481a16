/* SPDX-License-Identifier: Apache-2.0 */
/* What is damaged where it lies is read from where it was stored again. */
#include "storage/rescue.h"

#include <stdlib.h>
#include <unistd.h>

#include "storage/index.h"
#include "storage/scrub.h"
#include "storage/stream_read.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

#define LEN ((size_t)2 << 20)
#define CHUNKS (LEN >> CHUNK_EXPONENT_DISK)
#define MOST ((size_t)9 << 20) /* more than one node of the lowest level */

static void flip(struct runs *runs, const char *name, size_t at)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};

	assert_true(backend_get(repository_backend(runs->repository), name, 64 << 20, &object, &err));
	object.data[at] ^= 1;
	assert_true(backend_put(repository_backend(runs->repository), name, bytes_span(&object), &err));
}

static void scrub(struct runs *runs, size_t n_damaged)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(scrub_report_release) struct scrub_report report = {0};
	const struct scrub_options options = {.level = SCRUB_DIGESTS};

	assert_true(scrub_run(runs->repository, &options, &report, &err));
	assert_int_equal(report.n_damaged, n_damaged);
}

/* What a reader of a point has, as restore and the NBD server have it. */
struct reading {
	struct rescue *rescue;
	struct pack_reader *packs;
	unsigned begun;
};

static void note_begun(void *arg, const struct rescue_healed *healed)
{
	struct reading *reading = arg;

	assert_string_equal(healed->stream->name, "vda");
	reading->begun++;
}

static void begin_reading(const struct repository *repository, const struct point *point, struct reading *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct rescue_options options = {.begins = note_begun, .arg = ret};

	*ret = (struct reading){0};
	ret->rescue = rescue_new(repository, point, &options, &err);
	ret->packs = pack_reader_new(repository, 1 << 20, &err);
	assert_non_null(ret->rescue);
	assert_non_null(ret->packs);
	pack_reader_set_rescue(ret->packs, ret->rescue);
}

static void end_reading(struct reading *reading)
{
	pack_reader_free(reading->packs);
	rescue_free(reading->rescue);
}

/* Gives what was read from elsewhere; fails with the code, or 0: reads what the point holds. */
static struct rescue_healed read_as(const struct repository *repository, const struct point *point,
				    const uint8_t *plain, enum err_code expected)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	struct rescue_healed healed = {0};
	struct reading reading;

	begin_reading(repository, point, &reading);
	bool ok = stream_read_all(reading.packs, &point->streams[0], MOST, &bytes, &err);
	if (ok && expected == 0)
		assert_memory_equal(bytes.data, plain, point->streams[0].shape.size);
	else
		assert_int_equal(ok ? 0 : err_code(err), expected);
	bool any = rescue_get_healed(reading.rescue, &point->streams[0], &healed);
	assert_int_equal(reading.begun, any);
	healed.from = NULL; /* goes with the rescue */
	end_reading(&reading);
	return healed;
}

/* Chunks that were read from elsewhere. */
static uint64_t healed_chunks(struct runs *runs, const struct point *point, const uint8_t *plain)
{
	return read_as(runs->repository, point, plain, 0).chunks;
}

static void name_packs(const struct point *point, char chunks[OBJECT_NAME_SIZE], char nodes[OBJECT_NAME_SIZE])
{
	object_name_pack(PACK_CHUNKS, &point->session, 1, chunks);
	object_name_pack(PACK_META, &point->session, point->streams[0].top.at.seq, nodes);
}

static void test_old_points_heal(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point old = {0}, again = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 1, plain, LEN, &old);
	assert_int_equal(healed_chunks(runs, &old, plain), 0);
	name_packs(&old, chunks, nodes);
	flip(runs, chunks, 70); /* in the first chunk of it */
	flip(runs, nodes, 70);
	assert_int_equal(read_as(runs->repository, &old, plain, ERR_CORRUPT).chunks, 0);
	scrub(runs, 2);
	runs_back_up(runs, "web01", 2, plain, LEN, &again);
	assert_int_equal(healed_chunks(runs, &again, plain), 0);
	struct rescue_healed healed = read_as(runs->repository, &old, plain, 0);
	assert_true(healed.nodes && healed.chunks == 0); /* a node, and it leads to sound chunks */
	flip(runs, nodes, 70);
	healed = read_as(runs->repository, &old, plain, 0);
	assert_true(!healed.nodes && healed.chunks == 1);
}

/* A whole pack is gone, this machine knows nothing, and what changed since is not to be had. */
static void test_heals_without_an_index(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point old = {0}, between = {0}, again = {0}, changed = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN), *other = runs_bytes(2, LEN);
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 1, plain, LEN, &old);
	runs_back_up(runs, "web01", 2, plain, LEN, &between);
	name_packs(&old, chunks, nodes);
	assert_true(backend_remove(repository_backend(runs->repository), chunks, &err));
	runs_back_up(runs, "web01", 3, plain, LEN, &again);
	runs_back_up(runs, "web01", 4, other, LEN, &changed);
	AUTO(repository_freep) struct repository *elsewhere = runs_open("elsewhere");
	assert_int_equal(read_as(elsewhere, &old, plain, 0).chunks, CHUNKS);
	assert_int_equal(read_as(elsewhere, &between, plain, 0).chunks, CHUNKS);
	assert_int_equal(read_as(elsewhere, &again, plain, 0).chunks, 0);
	name_packs(&again, chunks, nodes);
	assert_true(backend_remove(repository_backend(runs->repository), chunks, &err));
	assert_int_equal(read_as(elsewhere, &old, plain, ERR_CORRUPT).chunks, 0);
}

/* The place that was stored first is as good as the one that was stored again. */
static void test_later_points_heal_by_earlier_ones(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point old = {0}, again = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 1, plain, LEN, &old);
	name_packs(&old, chunks, nodes);
	flip(runs, chunks, 70);
	scrub(runs, 1);
	runs_back_up(runs, "web01", 2, plain, LEN, &again);
	flip(runs, chunks, 70);
	name_packs(&again, chunks, nodes);
	flip(runs, chunks, 70);
	assert_int_equal(healed_chunks(runs, &again, plain), 1);
	assert_int_equal(healed_chunks(runs, &old, plain), 0);
}

/* A disk that grew has a deeper tree. */
static void test_depth_does_not_matter(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point small = {0}, grown = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, MOST);
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 1, plain, LEN, &small);
	name_packs(&small, chunks, nodes);
	flip(runs, chunks, 70);
	scrub(runs, 1);
	runs_back_up(runs, "web01", 2, plain, MOST, &grown);
	assert_int_equal(stream_depth(&grown.streams[0].shape), stream_depth(&small.streams[0].shape) + 1);
	assert_int_equal(healed_chunks(runs, &small, plain), 1);
	flip(runs, chunks, 70);
	name_packs(&grown, chunks, nodes);
	flip(runs, chunks, 70);
	assert_int_equal(healed_chunks(runs, &grown, plain), 1);
}

/* Of another workload, only the index knows: where there is one, and only as far as it goes. */
static void test_another_workload_heals_by_the_index(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point old = {0}, other = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 1, plain, LEN, &old);
	name_packs(&old, chunks, nodes);
	flip(runs, chunks, 70);
	scrub(runs, 1);
	runs_back_up(runs, "web02", 2, plain, LEN, &other);
	assert_int_equal(healed_chunks(runs, &old, plain), 1);
	AUTO(repository_freep) struct repository *elsewhere = runs_open("elsewhere");
	assert_int_equal(read_as(elsewhere, &old, plain, ERR_CORRUPT).chunks, 0);
	assert_int_equal(access("elsewhere", F_OK), 0);
	assert_false(index_exists(elsewhere)); /* none was made for it */
}

static void count_read(void *arg)
{
	++*(unsigned *)arg;
}

/* Where nothing helps, the trees of other points are still read once, and not for each chunk. */
static void test_what_is_lost_is_given_up_quickly(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point old = {0}, again = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, MOST);
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];
	struct reading reading;
	unsigned reads = 0;

	runs_back_up(runs, "web01", 1, plain, MOST, &old);
	plain[MOST - 1] ^= 1; /* another tree, of the same pack */
	runs_back_up(runs, "web01", 2, plain, MOST, &again);
	name_packs(&old, chunks, nodes);
	assert_true(backend_remove(repository_backend(runs->repository), chunks, &err));
	name_packs(&again, chunks, nodes);
	runs_on_read(runs, nodes, count_read, &reads);
	begin_reading(runs->repository, &old, &reading);
	for (uint64_t i = 0; i + 1 < MOST >> CHUNK_EXPONENT_DISK; i++) {
		AUTO(tree_reader_freep)
		struct tree_reader *tree = stream_tree_new(reading.packs, &old.streams[0], &err);
		struct tree_ref at;
		assert_true(tree_find(tree, i, &at, &err));
		struct chunk_ref ref = {.id = at.id,
					.at = at.at,
					.plain_len = 1 << CHUNK_EXPONENT_DISK,
					.plain = plain,
					.place = tree_reader_place(tree, i)};
		assert_false(pack_reader_chunks(reading.packs, &ref, 1, &err));
		assert_int_equal(err_code(err), ERR_CORRUPT);
		err_clear(&err);
	}
	runs_calm(runs);
	end_reading(&reading);
	assert_in_range(reads, 1, 8); /* the pack's footer, its top, and the two nodes that differ */
}

/* As the NBD server reads: in pieces, from several threads, and some of it twice. */
static void test_a_reader_counts_each_chunk_once(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point old = {0}, again = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, MOST), *out = calloc(1, MOST);
	const struct stream_reader_options options = {.read_ahead = 2}; /* its cache holds less than the stream */
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];
	struct rescue_healed healed;
	struct reading reading;

	runs_back_up(runs, "web01", 1, plain, MOST, &old);
	name_packs(&old, chunks, nodes);
	assert_true(backend_remove(repository_backend(runs->repository), chunks, &err));
	runs_back_up(runs, "web01", 2, plain, MOST, &again);
	begin_reading(runs->repository, &old, &reading);
	AUTO(stream_reader_freep)
	struct stream_reader *reader = stream_reader_new(reading.packs, &old.streams[0], &options, &err);
	for (unsigned round = 0; round < 2; round++)
		for (size_t at = 0; at < MOST; at += MOST / 8)
			assert_true(stream_reader_read(reader, at, out + at, MOST / 8, &err));
	assert_memory_equal(out, plain, MOST);
	assert_true(rescue_get_healed(reading.rescue, &old.streams[0], &healed));
	assert_int_equal(healed.chunks, MOST >> CHUNK_EXPONENT_DISK);
	assert_memory_equal(healed.from->id, again.id, POINT_ID_SIZE);
	assert_false(healed.others);
	assert_int_equal(reading.begun, 1);
	stream_reader_free(STEAL(&reader));
	end_reading(&reading);
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
				.plain = plain,
				.place = {.stream = 1, .index = entry}}; /* stored in order */

	return pack_reader_chunks(reader, &ref, 1, errp);
}

/* Whoever cannot read the good copy now has not found that there is none. */
static void test_a_place_that_is_gone_is_no_damage(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point old = {0}, again = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE], good_chunks[OBJECT_NAME_SIZE],
		good_nodes[OBJECT_NAME_SIZE];

	runs_back_up(runs, "web01", 1, plain, LEN, &old);
	name_packs(&old, chunks, nodes);
	flip(runs, chunks, 70);
	flip(runs, nodes, 70);
	scrub(runs, 2);
	runs_back_up(runs, "web01", 2, plain, LEN, &again);
	name_packs(&again, good_chunks, good_nodes);
	runs_fail(runs, good_nodes, ERR_GONE);
	read_as(runs->repository, &old, plain, ERR_GONE);
	runs_calm(runs);
	assert_true(read_as(runs->repository, &old, plain, 0).nodes);
	flip(runs, nodes, 70);
	runs_fail(runs, good_chunks, ERR_GONE);
	read_as(runs->repository, &old, plain, ERR_GONE);
	runs_calm(runs);
	assert_int_equal(read_as(runs->repository, &old, plain, 0).chunks, 1);
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

	struct rescue_healed healed;
	struct reading reading;
	begin_reading(runs->repository, &old, &reading);
	assert_false(read_entry(reading.packs, &first, 0, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	err_clear(&err);
	assert_true(read_entry(reading.packs, &first, 1, &err));
	assert_true(rescue_get_healed(reading.rescue, &old.streams[0], &healed));
	assert_int_equal(healed.chunks, 1);
	end_reading(&reading);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_old_points_heal, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_old_points_heal, runs_setup_memory, runs_teardown),
		cmocka_unit_test_setup_teardown(test_heals_without_an_index, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_later_points_heal_by_earlier_ones, runs_setup_local,
						runs_teardown),
		cmocka_unit_test_setup_teardown(test_depth_does_not_matter, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_another_workload_heals_by_the_index, runs_setup_local,
						runs_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_lost_is_given_up_quickly, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_a_reader_counts_each_chunk_once, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_a_place_that_is_gone_is_no_damage, runs_setup_local,
						runs_teardown),
		cmocka_unit_test_setup_teardown(test_one_loss_does_not_spread, runs_setup_local, runs_teardown),
	};

	return cmocka_run_group_tests_name("rescue", tests, NULL, NULL);
}
