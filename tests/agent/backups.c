/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/agent/backups.h"

#include <stdlib.h>
#include <string.h>

#include "storage/stream_read.h"
#include "tests/folder.h"
#include "tests/unit.h"

static const struct repository_init init_options = {
	.url = "repo",
	.passphrase = {"correct horse", 13},
	.owner_name = "owner",
	.recovery_key_file = NULL,
};

struct err *error;

void must(bool ok)
{
	if (!ok)
		fail_msg("%s", error ? err_message(error) : "failed without an error");
}

struct repository *open_repository(void)
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

int enter(void **state)
{
	if (folder_enter(state) != 0)
		return -1;
	make_repository();
	return 0;
}

struct outcome back_up_with(struct memory_engine *memory, const struct backup_options *options)
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

struct outcome back_up(struct memory_engine *memory)
{
	struct cancel never = {false};

	return back_up_with(memory, &(struct backup_options){.cancel = &never});
}

struct backup_result done(struct outcome outcome)
{
	struct backup_result result = outcome.result;

	assert_true(outcome.ok);
	backup_result_release(&outcome.result);
	result.workload = result.attention = NULL;
	return result;
}

enum err_code failed(struct outcome outcome)
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

void newest_is(struct memory_engine *memory, size_t n_disks)
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

void write_noise(struct memory_engine *memory, size_t disk, uint64_t offset, size_t len)
{
	uint8_t *noise = malloc(len);

	for (size_t i = 0; i < len; i++)
		noise[i] = (uint8_t)random();
	memory_engine_write(memory, disk, offset, noise, len);
	free(noise);
}

void write_zeros(struct memory_engine *memory, size_t disk, uint64_t offset, size_t len)
{
	uint8_t *zeros = calloc(1, len);

	memory_engine_write(memory, disk, offset, zeros, len);
	free(zeros);
}

struct memory_engine *make_machine(void)
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
