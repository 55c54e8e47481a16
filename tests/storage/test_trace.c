/* SPDX-License-Identifier: Apache-2.0 */
/* Traces as objects, which one serves, and what fetching them from far away saves. */
#include "storage/trace.h"

#include <string.h>

#include "base/err.h"
#include "storage/stream_read.h"
#include "storage/trace_play.h"
#include "tests/storage/far.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

enum { CHUNK = 1 << CHUNK_EXPONENT_DISK, CHUNKS = 300 };
#define SIZE ((size_t)(CHUNKS * CHUNK - 1000))

static void must(bool ok, struct err **errp)
{
	if (!ok)
		fail_msg("%s", err_message(*errp));
}

static void add(struct trace *trace, uint16_t stream, uint64_t first, uint16_t n)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct trace_run run = {.stream = stream, .n = n, .first = first};
	must(trace_add(trace, &run, &err), &err);
}

static void runs_that_go_on_are_joined(void **state)
{
	(void)state;
	AUTO(trace_release) struct trace trace = {0};
	add(&trace, 1, 10, 1);
	add(&trace, 1, 11, 3);
	assert_int_equal(trace.n, 1);
	assert_int_equal(trace.runs[0].n, 4);
	add(&trace, 2, 14, 1);
	add(&trace, 2, 14, 1);
	add(&trace, 2, 15, UINT16_MAX);
	assert_int_equal(trace.n, 4);
	for (unsigned i = 0; i < TRACE_RUNS_MAX + 10; i++)
		add(&trace, 1, 2 * i, 1);
	assert_int_equal(trace.n, TRACE_RUNS_MAX);
}

static void what_is_encoded_is_parsed(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(trace_release) struct trace trace = {0}, again = {0};
	AUTO(bytes_release) struct bytes plain = {0};
	add(&trace, 1, 0, 7);
	add(&trace, 65535, UINT64_C(1) << 40, 65535);
	must(trace_encode(&trace, &plain, &err), &err);
	assert_int_equal(plain.len, 4 + 2 * TRACE_RUN_SIZE);
	must(trace_parse(bytes_span(&plain), &again, &err), &err);
	assert_int_equal(again.n, 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(again.runs[i].stream == trace.runs[i].stream && again.runs[i].n == trace.runs[i].n &&
			    again.runs[i].first == trace.runs[i].first);
	for (size_t len = 0; len < plain.len; len++) {
		assert_false(trace_parse(SPAN(plain.data, len), &again, &err));
		assert_int_equal(err_code(err), ERR_CORRUPT);
		err_clear(&err);
	}
	plain.data[4 + 2] = 0; /* a run of nothing */
	assert_false(trace_parse(bytes_span(&plain), &again, &err));
}

static void back_up(struct runs *runs, const char *workload, uint64_t seed, struct point *ret)
{
	AUTO(freep) uint8_t *plain = runs_bytes(seed, SIZE);
	runs_back_up(runs, workload, seed, plain, SIZE, ret);
}

/* Beside the receipt n of the point. */
static void publish(struct runs *runs, const struct point *point, uint32_t n, uint64_t first)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(trace_release) struct trace trace = {0};
	char receipt[OBJECT_NAME_SIZE];
	add(&trace, 1, first, 1);
	object_name_receipt(&point->session, repository_identity(runs->repository)->id8, n, receipt);
	must(trace_publish(runs->repository, &trace, receipt, &err), &err);
}

static void expect_found(struct runs *runs, const struct point *point, uint64_t first)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(trace_release) struct trace found = {0};
	must(trace_find(runs->repository, point, &found, &err), &err);
	assert_int_equal(found.n, 1);
	assert_int_equal(found.runs[0].first, first);
}

static void the_nearest_of_the_workload_serves(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point old = {0}, other = {0}, newest = {0}, lonely = {0};
	AUTO(trace_release) struct trace none = {0};
	back_up(runs, "web01", 1, &old);
	back_up(runs, "mail", 2, &other);
	back_up(runs, "web01", 3, &newest);
	back_up(runs, "lonely", 4, &lonely);
	must(trace_find(runs->repository, &newest, &none, &err), &err);
	assert_int_equal(none.n, 0);
	publish(runs, &old, 1, 11);
	publish(runs, &other, 1, 12);
	expect_found(runs, &newest, 11);
	expect_found(runs, &other, 12);
	must(trace_find(runs->repository, &lonely, &none, &err), &err);
	assert_int_equal(none.n, 0);
	publish(runs, &newest, 1, 13);
	publish(runs, &newest, 2, 14);
	expect_found(runs, &newest, 14);
	expect_found(runs, &old, 11);
}

static void name_of_newest(void *arg, struct runs *runs, struct point *point)
{
	object_name_trace(&point->session, repository_identity(runs->repository)->id8, 1, arg);
}

static void damage_is_found_and_hinders_nobody(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};
	AUTO(bytes_release) struct bytes object = {0};
	char name[OBJECT_NAME_SIZE];
	back_up(runs, "web01", 1, &point);
	publish(runs, &point, 1, 5);
	name_of_newest(name, runs, &point);
	must(backend_get(repository_backend(runs->repository), name, 1 << 20, &object, &err), &err);
	for (size_t at = 0; at < object.len; at += 5) {
		AUTO(trace_release) struct trace trace = {0}, found = {0};
		object.data[at] ^= 0x10;
		must(backend_put(repository_backend(runs->repository), name, bytes_span(&object), &err), &err);
		object.data[at] ^= 0x10;
		assert_false(trace_load(runs->repository, name, &trace, &err));
		assert_string_equal(err_object(err), name);
		err_clear(&err);
		must(trace_find(runs->repository, &point, &found, &err), &err);
		assert_int_equal(found.n, 0);
	}
}

static void nobody_else_has_its_name(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};
	AUTO(trace_release) struct trace trace = {0};
	AUTO(bytes_release) struct bytes object = {0};
	char name[OBJECT_NAME_SIZE], moved[OBJECT_NAME_SIZE];
	back_up(runs, "web01", 1, &point);
	publish(runs, &point, 1, 5);
	name_of_newest(name, runs, &point);
	object_name_trace(&point.session, repository_identity(runs->repository)->id8, 2, moved);
	must(backend_get(repository_backend(runs->repository), name, 1 << 20, &object, &err), &err);
	must(backend_put_once(repository_backend(runs->repository), moved, bytes_span(&object), &err), &err);
	assert_false(trace_load(runs->repository, moved, &trace, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	err_clear(&err);
	assert_false(trace_publish(runs->repository, &trace, "c/00", &err));
}

/* Here and there, and not in the order of places. */
static uint64_t read_at(uint64_t i)
{
	return i / 10 * 10 + i * 7 % 10;
}

static void record(struct trace *trace)
{
	for (uint64_t i = 0; i < CHUNKS; i += 3)
		add(trace, 1, read_at(i), 1);
	add(trace, 1, CHUNKS - 1, 100); /* beyond the end */
	for (unsigned i = 0; i < TRACE_RUNS_MAX / 2; i++)
		add(trace, 9, 0, UINT16_MAX); /* a disk that it does not have */
}

static void read_recorded(struct pack_reader *packs, const struct point *point, const uint8_t *plain)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *chunk = malloc(CHUNK);
	const struct stream_reader_options options = {.careful = true};
	AUTO(stream_reader_freep)
	struct stream_reader *reader = stream_reader_new(packs, &point->streams[0], &options, &err);
	must(reader && chunk, &err);
	for (uint64_t i = 0; i < CHUNKS; i += 3) {
		uint64_t at = read_at(i) * CHUNK;
		size_t len = SIZE - at < CHUNK ? SIZE - at : CHUNK;
		must(stream_reader_read(reader, at, chunk, len, &err), &err);
		assert_memory_equal(chunk, plain + at, len);
	}
}

/* The same repository, far away and with a cache. */
static struct repository *open_far(const struct runs *runs, struct far **ret_far)
{
	AUTO(err_freep) struct err *err = NULL;
	const struct repository_options options = {
		.url = "repo",
		.key = {.material = repository_material(runs->repository)},
		.cache = {.folder = "cache", .max_bytes = BACKEND_CACHE_BYTES, .extent = CACHE_CONTENTS}};
	*ret_far = far_new(backend_local_open("repo", false, &err), 1);
	struct repository *repository = repository_open_backend(&(*ret_far)->backend, &options, &err);
	must(repository, &err);
	return repository;
}

static void what_was_played_is_not_fetched_again(void **state)
{
	struct far *far;
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};
	AUTO(trace_release) struct trace trace = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, SIZE);
	char receipt[OBJECT_NAME_SIZE];
	runs_back_up(runs, "web01", 1, plain, SIZE, &point);
	record(&trace);
	object_name_receipt(&point.session, repository_identity(runs->repository)->id8, 1, receipt);
	must(trace_publish(runs->repository, &trace, receipt, &err), &err);

	AUTO(repository_freep) struct repository *repository = open_far(runs, &far);
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(repository, 1 << 20, &err);
	must(packs, &err);
	far_forget(far);
	struct trace_player *player = trace_player_start(repository, &point, packs, &err);
	must(player, &err);
	trace_player_wait(player);
	trace_player_free(player);
	assert_true(far->requests > 0 && far->requests < CHUNKS / 3);
	far_forget(far);
	read_recorded(packs, &point, plain);
	assert_int_equal(far->requests, 0);
}

static void playing_may_end_at_once(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};
	back_up(runs, "web01", 1, &point);
	publish(runs, &point, 1, 5);
	struct far *far;
	AUTO(repository_freep) struct repository *repository = open_far(runs, &far);
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(repository, 1 << 20, &err);
	must(packs, &err);
	AUTO(trace_player_freep) struct trace_player *player = trace_player_start(repository, &point, packs, &err);
	must(player, &err);
}

static void read_run(struct stream_reader *reader, const uint8_t *plain, uint64_t first, uint64_t end)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *chunk = malloc(CHUNK);
	for (uint64_t i = first; i < end; i++) {
		must(chunk && stream_reader_read(reader, i * CHUNK, chunk, CHUNK, &err), &err);
		assert_memory_equal(chunk, plain + i * CHUNK, CHUNK);
	}
}

/* Runs of reads are read ahead, so that there are few requests; and reads here and there are not. */
static void careful_read_ahead(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point point = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, SIZE);
	runs_back_up(runs, "web01", 1, plain, SIZE, &point);
	struct far *far = far_new(backend_local_open("repo", false, &err), 5);
	const struct repository_options options = {.url = "repo",
						   .key = {.material = repository_material(runs->repository)}};
	AUTO(repository_freep) struct repository *repository = repository_open_backend(&far->backend, &options, &err);
	must(repository, &err);
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(repository, 1 << 20, &err);
	must(packs, &err);
	const struct stream_reader_options reading = {.cache_bytes = 64 << 20, .read_ahead = 8, .careful = true};
	struct stream_reader *reader = stream_reader_new(packs, &point.streams[0], &reading, &err);
	must(reader, &err);
	far_forget(far);
	read_run(reader, plain, 160, 224);
	read_run(reader, plain, 0, 128); /* not far before the other one, and yet not a part of it */
	stream_reader_free(reader);
	assert_true(far->requests < 120);
	assert_true(far->bytes < (2 * 192 + 16) * (uint64_t)CHUNK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_that_go_on_are_joined),
		cmocka_unit_test(what_is_encoded_is_parsed),
		cmocka_unit_test_setup_teardown(the_nearest_of_the_workload_serves, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(damage_is_found_and_hinders_nobody, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(nobody_else_has_its_name, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(what_was_played_is_not_fetched_again, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(playing_may_end_at_once, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(careful_read_ahead, runs_setup_local, runs_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
