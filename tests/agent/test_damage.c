/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What damage does to the backups that come after it, and they to it: what is known to be damaged is read and stored
 * again though the change map calls it clean, and older points are whole again by it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/backend.h"
#include "storage/rescue.h"
#include "storage/scrub.h"
#include "storage/stream_read.h"
#include "tests/agent/backups.h"
#include "tests/folder.h"
#include "tests/unit.h"

static struct repository *open_with(const struct repository_options *options)
{
	struct repository *repository = repository_open(options, &error);

	must(repository != NULL);
	return repository;
}

static void add_key(const char *name, unsigned roles, const char *file)
{
	AUTO(repository_freep)
	struct repository *owner = open_with(&(struct repository_options){
		.url = "repo", .key = {.passphrase = SPAN_TEXT("correct horse")}, .state_dir = "owner-state"});

	must(repository_add_key(owner, name, roles, file, &error));
}

/* Another machine, which made no backup and knows of no damage. */
static struct repository *open_elsewhere(void)
{
	if (access("reader.key", F_OK) != 0)
		add_key("reader", ROLE_READ, "reader.key");
	return open_with(&(struct repository_options){
		.url = "repo", .key = {.key_file = "reader.key"}, .state_dir = "reader-state"});
}

/* A disk as it was. */
struct copy {
	struct point point;
	uint8_t *bytes;
	uint64_t size;
};

/* The newest point, and the first disk as it is now. */
static void keep_copy(struct memory_engine *memory, struct copy *ret)
{
	AUTO(repository_freep) struct repository *repository = open_repository();
	const uint8_t *disk = memory_engine_disk(memory, 0, &ret->size);

	must(point_find(repository, "web01@latest", &ret->point, &error));
	ret->bytes = malloc(ret->size);
	assert_non_null(ret->bytes);
	memcpy(ret->bytes, disk, ret->size);
}

static void copy_release(struct copy *copy)
{
	point_release(&copy->point);
	free(copy->bytes);
}

/* Reads the point as restore and the NBD server do. */
static bool comes_back(const struct copy *copy)
{
	AUTO(repository_freep) struct repository *repository = open_elsewhere();
	AUTO(freep) uint8_t *data = malloc(copy->size);
	const struct stream_reader_options options = {.cache_bytes = 8 * MIB};
	AUTO(rescue_freep)
	struct rescue *rescue = rescue_new(repository, &copy->point, &(struct rescue_options){0}, &error);
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(repository, MIB, &error);

	must(rescue && packs);
	pack_reader_set_rescue(packs, rescue);
	AUTO(stream_reader_freep)
	struct stream_reader *reader = stream_reader_new(packs, point_stream(&copy->point, "vda"), &options, &error);
	bool ok = stream_reader_read(reader, 0, data, copy->size, &error);
	assert_true(!ok || memcmp(data, copy->bytes, copy->size) == 0);
	err_clear(&error);
	return ok;
}

struct choice {
	const char *prefix;
	char name[OBJECT_NAME_SIZE];
};

static bool choose_first(void *arg, const char *name, uint64_t size, struct err **errp)
{
	struct choice *choice = arg;

	(void)size;
	(void)errp;
	if (!choice->name[0] || strcmp(name, choice->name) < 0)
		snprintf(choice->name, sizeof(choice->name), "%s", name);
	return true;
}

/* The first object of a kind. */
static void flip(const char *prefix)
{
	AUTO(repository_freep) struct repository *repository = open_repository();
	AUTO(bytes_release) struct bytes object = {0};
	struct choice choice = {.prefix = prefix};

	must(backend_list(repository_backend(repository), prefix, choose_first, &choice, &error));
	must(backend_get(repository_backend(repository), choice.name, 64 * MIB, &object, &error));
	object.data[object.len / 3] ^= 1;
	must(backend_put(repository_backend(repository), choice.name, bytes_span(&object), &error));
}

static void scrub(size_t n_damaged)
{
	AUTO(repository_freep) struct repository *repository = open_repository();
	AUTO(scrub_report_release) struct scrub_report report = {0};

	must(scrub_run(repository, &(struct scrub_options){.level = SCRUB_DIGESTS}, &report, &error));
	assert_int_equal(report.n_damaged, n_damaged);
}

/* Unchanged, but not to be relied on: it is stored again, and the point before is whole again. */
static void go_round(void)
{
	AUTO(copy_release) struct copy before = {0}, after = {0};
	struct memory_engine *memory = make_machine();

	done(back_up(memory));
	keep_copy(memory, &before);
	flip("p/");
	assert_false(comes_back(&before));
	scrub(1);
	write_noise(memory, 0, 20 * MIB, CHUNK);
	struct backup_result result = done(back_up(memory));
	assert_false(result.full);
	assert_true(result.bytes_stored > 5 * MIB);
	keep_copy(memory, &after);
	assert_true(comes_back(&after));
	assert_true(comes_back(&before));
	engine_free(memory_engine_seam(memory));
}

static void damaged_chunks_are_stored_again(void **state)
{
	(void)state;
	go_round();
}

static void a_host_that_cannot_read_stores_them_again(void **state)
{
	(void)state;
	assert_int_equal(unlink("host.key"), 0);
	add_key("writer", ROLE_WRITE, "host.key");
	go_round();
}

/* What the point before holds cannot be known, so nothing can be taken over from it. */
static void damaged_nodes_mean_reading_everything(void **state)
{
	AUTO(copy_release) struct copy before = {0};
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	keep_copy(memory, &before);
	flip("m/");
	assert_false(comes_back(&before));
	scrub(1);
	struct outcome outcome = back_up(memory);
	assert_true(outcome.ok && outcome.result.needs_attention);
	assert_non_null(strstr(outcome.result.attention, "the last point is damaged (tree node "));
	struct backup_result result = done(outcome);
	assert_true(result.full);
	assert_string_equal(result.fallback_reason, FALLBACK_POINT_DAMAGED);
	newest_is(memory, 2);
	assert_true(comes_back(&before));
	result = done(back_up(memory));
	assert_false(result.full);
	engine_free(memory_engine_seam(memory));
}

/* Nobody looked for it before. */
static void damage_that_a_backup_finds_does_not_stop_it(void **state)
{
	AUTO(copy_release) struct copy before = {0};
	struct memory_engine *memory = make_machine();

	(void)state;
	done(back_up(memory));
	keep_copy(memory, &before);
	flip("m/");
	for (uint64_t at = 0; at < 40; at++)
		write_noise(memory, 0, at * MIB, 1);
	for (uint64_t at = 0; at < 9; at++)
		write_noise(memory, 1, at * MIB, 1);
	struct backup_result result = done(back_up(memory));
	assert_true(result.full);
	assert_string_equal(result.fallback_reason, FALLBACK_POINT_DAMAGED);
	newest_is(memory, 2);
	result = done(back_up(memory));
	assert_false(result.full);
	engine_free(memory_engine_seam(memory));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_REPOSITORY(damaged_chunks_are_stored_again),
		IN_REPOSITORY(a_host_that_cannot_read_stores_them_again),
		IN_REPOSITORY(damaged_nodes_mean_reading_everything),
		IN_REPOSITORY(damage_that_a_backup_finds_does_not_stop_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
