/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups of an engine in memory into a repository on disk: what was cut comes back byte for byte, whatever was done to
 * the engine, the change maps and the state folder between and during the runs.
 */
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/agent/backups.h"
#include "tests/folder.h"
#include "tests/unit.h"

static size_t count_points(void)
{
	AUTO(repository_freep) struct repository *repository = open_repository();
	struct point_list list = {0};

	must(point_list_load(repository, "web01", &list, &error));
	assert_int_equal(list.n_damaged, 0);
	size_t n = list.n;
	point_list_release(&list);
	return n;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tree(const char *path)
{
	assert_int_equal(nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void first_backup_brings_everything_back(void **state)
{
	struct memory_engine *memory = make_machine();
	struct backup_result result = done(back_up(memory));

	(void)state;
	assert_true(result.full);
	assert_null(result.fallback_reason);
	assert_false(result.needs_attention);
	newest_is(memory, 2);
	assert_int_equal(memory_engine_cuts(memory), 0);
	assert_int_equal(memory_engine_maps(memory), 1);
	engine_free(memory_engine_seam(memory));
}

static void increment_reads_what_changed(void **state)
{
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	memory_engine_bytes_read(memory);
	write_noise(memory, 0, 20 * MIB + 7, 100);
	write_zeros(memory, 1, 2 * MIB, MIB);
	struct backup_result result = done(back_up(memory));
	assert_false(result.full);
	assert_null(result.fallback_reason);
	assert_in_range(result.bytes_checked, 1, 4 * MIB);
	assert_int_equal(memory_engine_bytes_read(memory), CHUNK + result.bytes_checked);
	assert_int_equal(result.bytes_scanned, CHUNK);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void unchanged_machine_stores_almost_nothing(void **state)
{
	struct memory_engine *memory = make_machine();
	struct cancel never = {false};

	(void)state;
	done(back_up(memory));
	assert_true(done(back_up(memory)).bytes_stored < 4096);
	struct backup_result result =
		done(back_up_with(memory, &(struct backup_options){.cancel = &never, .full = true}));
	assert_true(result.full);
	assert_string_equal(result.fallback_reason, FALLBACK_FORCED);
	assert_true(result.bytes_stored < 4096);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void failing_read_leaves_points_and_map(void **state)
{
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	write_noise(memory, 0, 5 * MIB, 4 * MIB);
	for (unsigned nth = 1; nth <= 4; nth++) {
		memory_engine_fail_read(memory, nth);
		assert_int_equal(failed(back_up(memory)), ERR_FAILED);
		assert_int_equal(memory_engine_cuts(memory), 0);
		assert_int_equal(count_points(), 1);
	}
	memory_engine_fail_read(memory, 0);
	struct backup_result result = done(back_up(memory));
	assert_false(result.full);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void broken_cut_makes_no_point(void **state)
{
	struct memory_engine *memory = make_machine();

	(void)state;
	memory_engine_break(memory);
	assert_int_equal(failed(back_up(memory)), ERR_BUSY);
	assert_int_equal(count_points(), 0);
	done(back_up(memory));
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void request_cancel(void *arg)
{
	cancel_request(arg);
}

static void cancelled_run_leaves_packs_to_use(void **state)
{
	struct memory_engine *memory = make_machine();
	struct cancel cancel = {false};

	(void)state;
	memory_engine_on_read(memory, request_cancel, &cancel);
	assert_int_equal(failed(back_up_with(memory, &(struct backup_options){.cancel = &cancel})), ERR_CANCELLED);
	assert_int_equal(count_points(), 0);
	memory_engine_on_read(memory, NULL, NULL);
	done(back_up(memory));
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void lost_maps_mean_reading_everything(void **state)
{
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	memory_engine_lose_maps(memory);
	write_noise(memory, 1, 3 * MIB, 1000);
	struct backup_result result = done(back_up(memory));
	assert_true(result.full);
	assert_string_equal(result.fallback_reason, FALLBACK_BITMAP_MISSING);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

/* The machine is defined again with its first disk only. */
static void lost_disk_is_told(void **state)
{
	const uint64_t size = MIB;
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	engine_free(memory_engine_seam(memory));
	memory = memory_engine_new("web01", &size, 1);
	struct outcome outcome = back_up(memory);
	assert_true(outcome.ok);
	assert_true(outcome.result.needs_attention);
	assert_non_null(strstr(outcome.result.attention, "'vdb'"));
	backup_result_release(&outcome.result);
	newest_is(memory, 1);
	engine_free(memory_engine_seam(memory));
}

static void resized_disk_is_read_whole(void **state)
{
	const uint64_t sizes[] = {CHUNK * 128 * 3 + 1, 20 * MIB, 0, 12345, 33 * MIB};
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	for (size_t i = 0; i < 5; i++) {
		memory_engine_resize(memory, 0, sizes[i]);
		struct backup_result result = done(back_up(memory));
		assert_string_equal(result.fallback_reason, FALLBACK_SIZE_CHANGED);
		newest_is(memory, 2);
	}
	engine_free(memory_engine_seam(memory));
}

/* The map still counts from the point that it began with: that one, and not the one made meanwhile, is built on. */
static void image_put_back_after_a_shut_off_backup(void **state)
{
	struct memory_engine *memory = make_machine();
	struct memory_image image;

	(void)state;
	done(back_up(memory));
	memory_engine_save(memory, 0, &image);
	write_noise(memory, 0, 20 * MIB, MIB);
	memory_engine_shut_off(memory, true);
	assert_string_equal(done(back_up(memory)).fallback_reason, FALLBACK_UNTRACKED);
	newest_is(memory, 2);
	memory_engine_revert(memory, 0, &image);
	memory_engine_shut_off(memory, false);
	assert_false(done(back_up(memory)).full);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void lost_state_costs_a_full_read(void **state)
{
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	write_noise(memory, 0, 100, 100);
	remove_tree("state");
	struct backup_result result = done(back_up(memory));
	assert_true(result.full);
	assert_string_equal(result.fallback_reason, FALLBACK_UNTRACKED);
	assert_true(result.bytes_stored < 3 * CHUNK);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void vanished_point_is_an_alarm(void **state)
{
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	remove_tree("repo/c");
	struct outcome outcome = back_up(memory);
	assert_true(outcome.ok);
	assert_true(outcome.result.needs_attention);
	assert_non_null(strstr(outcome.result.attention, "no longer in the repository"));
	assert_string_equal(outcome.result.fallback_reason, FALLBACK_POINT_MISSING);
	backup_result_release(&outcome.result);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

/* A second backup of the same workload while the first one reads. */
struct rival {
	struct memory_engine *memory;
	atomic_flag begun;
	struct outcome outcome;
};

static void run_rival(void *arg)
{
	struct rival *rival = arg;

	if (!atomic_flag_test_and_set(&rival->begun))
		rival->outcome = back_up(rival->memory);
}

static void two_backups_at_once_are_refused(void **state)
{
	struct memory_engine *memory = make_machine();
	struct rival rival = {.memory = memory, .begun = ATOMIC_FLAG_INIT};

	(void)state;
	memory_engine_on_read(memory, run_rival, &rival);
	done(back_up(memory));
	memory_engine_on_read(memory, NULL, NULL);
	assert_int_equal(failed(rival.outcome), ERR_BUSY);
	newest_is(memory, 2);
	engine_free(memory_engine_seam(memory));
}

static void random_write(struct memory_engine *memory)
{
	size_t disk = (size_t)random() % 2;
	uint64_t size;

	memory_engine_disk(memory, disk, &size);
	uint64_t offset = (uint64_t)random() % size;
	size_t len = (size_t)random() % (300 * 1024) + 1;
	if (len > size - offset)
		len = size - offset;
	if (random() % 3 == 0)
		write_zeros(memory, disk, offset, len);
	else
		write_noise(memory, disk, offset, len);
}

static void random_histories_come_back(void **state)
{
	struct memory_engine *memory = make_machine();

	(void)state;
	srandom(42);
	for (int round = 0; round < 25; round++) {
		for (long n = random() % 6; n > 0; n--)
			random_write(memory);
		memory_engine_fail_read(memory, random() % 4 == 0 ? (unsigned)random() % 3 + 1 : 0);
		struct outcome outcome = back_up(memory);
		backup_result_release(&outcome.result);
		memory_engine_fail_read(memory, 0);
		if (!outcome.ok)
			done(back_up(memory));
		newest_is(memory, 2);
		if (random() % 6 == 0)
			memory_engine_lose_maps(memory);
	}
	engine_free(memory_engine_seam(memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPOSITORY(first_backup_brings_everything_back),
		IN_REPOSITORY(increment_reads_what_changed),
		IN_REPOSITORY(unchanged_machine_stores_almost_nothing),
		IN_REPOSITORY(failing_read_leaves_points_and_map),
		IN_REPOSITORY(broken_cut_makes_no_point),
		IN_REPOSITORY(cancelled_run_leaves_packs_to_use),
		IN_REPOSITORY(lost_maps_mean_reading_everything),
		IN_REPOSITORY(lost_disk_is_told),
		IN_REPOSITORY(resized_disk_is_read_whole),
		IN_REPOSITORY(image_put_back_after_a_shut_off_backup),
		IN_REPOSITORY(lost_state_costs_a_full_read),
		IN_REPOSITORY(vanished_point_is_an_alarm),
		IN_REPOSITORY(two_backups_at_once_are_refused),
		IN_REPOSITORY(random_histories_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
