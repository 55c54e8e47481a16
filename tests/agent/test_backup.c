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

#include "agent/backup.h"
#include "base/err.h"
#include "storage/stream_read.h"
#include "tests/folder.h"
#include "tests/hypervisor/engine_memory.h"
#include "tests/unit.h"

#define MIB (1u << 20)
#define CHUNK 65536u

static const struct repository_init init_options = {
	.url = "repo",
	.passphrase = {"correct horse", 13},
	.owner_name = "owner",
	.recovery_key_file = NULL,
};

static struct err *error;

/* A failure that no test expects is told before it ends the test. */
static void must(bool ok)
{
	if (!ok)
		fail_msg("%s", error ? err_message(error) : "failed without an error");
}

static struct repository *open_repository(void)
{
	struct repository_options options = {.url = "repo", .key = {.key_file = "host.key"}, .state_dir = "state"};
	struct repository *repository = repository_open(&options, &error);

	must(repository != NULL);
	return repository;
}

static void make_repository(void)
{
	struct repository_options options = {
		.url = "repo", .key = {.passphrase = init_options.passphrase}, .state_dir = "owner-state"};

	must(repository_init(&init_options, &error));
	struct repository *owner = repository_open(&options, &error);
	must(owner != NULL);
	must(repository_add_key(owner, "host", ROLE_WRITE | ROLE_READ, "host.key", &error));
	repository_free(owner);
}

static int enter(void **state)
{
	if (folder_enter(state) != 0)
		return -1;
	make_repository();
	return 0;
}

struct outcome {
	bool ok;
	enum err_code code;
	struct backup_result result;
};

static struct outcome back_up_with(struct memory_engine *memory, const struct backup_options *options)
{
	struct repository *repository = open_repository();
	struct outcome outcome = {0};

	outcome.ok = backup_run(repository, memory_engine_seam(memory), "web01", options, &outcome.result, &error);
	outcome.code = outcome.ok ? 0 : err_code(error);
	if (!outcome.ok)
		err_clear(&error);
	repository_free(repository);
	return outcome;
}

static struct outcome back_up(struct memory_engine *memory)
{
	struct cancel never = {false};

	return back_up_with(memory, &(struct backup_options){.cancel = &never});
}

/* The numbers and words of a backup that must have worked. */
static struct backup_result done(struct outcome outcome)
{
	struct backup_result result = outcome.result;

	assert_true(outcome.ok);
	backup_result_release(&outcome.result);
	result.workload = result.attention = NULL;
	return result;
}

static enum err_code failed(struct outcome outcome)
{
	assert_false(outcome.ok);
	backup_result_release(&outcome.result);
	return outcome.code;
}

static void compare_disk(struct pack_reader *packs, const struct stream *stream, const uint8_t *expected, uint64_t size)
{
	struct stream_reader_options options = {.cache_bytes = 8 * MIB};
	AUTO(stream_reader_freep) struct stream_reader *reader = stream_reader_new(packs, stream, &options, &error);
	uint8_t *data = malloc(size + 1);

	must(reader != NULL);
	assert_int_equal(stream_reader_size(reader), size);
	must(size == 0 || stream_reader_read(reader, 0, data, size, &error));
	assert_memory_equal(data, expected, size);
	free(data);
}

/* The newest point is what the disks are now. */
static void newest_is(struct memory_engine *memory, size_t n_disks)
{
	AUTO(repository_freep) struct repository *repository = open_repository();
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(repository, MIB, &error);
	AUTO(point_release) struct point point = {0};

	must(packs && point_find(repository, "web01@latest", &point, &error));
	for (size_t i = 0; i < n_disks; i++) {
		char name[] = {'v', 'd', (char)('a' + i), '\0'};
		const struct stream *stream = point_stream(&point, name);
		uint64_t size;
		const uint8_t *disk = memory_engine_disk(memory, i, &size);

		assert_non_null(stream);
		compare_disk(packs, stream, disk, size);
	}
}

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

static void write_noise(struct memory_engine *memory, size_t disk, uint64_t offset, size_t len)
{
	uint8_t *noise = malloc(len);

	for (size_t i = 0; i < len; i++)
		noise[i] = (uint8_t)random();
	memory_engine_write(memory, disk, offset, noise, len);
	free(noise);
}

static void write_zeros(struct memory_engine *memory, size_t disk, uint64_t offset, size_t len)
{
	uint8_t *zeros = calloc(1, len);

	memory_engine_write(memory, disk, offset, zeros, len);
	free(zeros);
}

/* Two disks whose ends are no multiple of a chunk, with data, holes and repetitions. */
static struct memory_engine *make_machine(void)
{
	const uint64_t sizes[] = {40 * MIB + 512, 9 * MIB + 4097};
	struct memory_engine *memory = memory_engine_new("web01", sizes, 2);

	write_noise(memory, 0, 0, 3 * MIB);
	write_noise(memory, 0, 17 * MIB + 100, 2 * MIB);
	write_noise(memory, 0, 40 * MIB + 500, 12);
	write_noise(memory, 1, 0, 9 * MIB + 4097);
	uint64_t size;
	memory_engine_write(memory, 0, 30 * MIB, memory_engine_disk(memory, 1, &size), 2 * MIB);
	memory_engine_define(memory, "<domain/>");
	return memory;
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
	assert_int_equal(memory_engine_bytes_read(memory), CHUNK);
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

#define IN_REPOSITORY(test) cmocka_unit_test_setup_teardown(test, enter, folder_leave)

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
