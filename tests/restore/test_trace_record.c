/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/trace_record.h"

#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/pool.h"
#include "tests/unit.h"

enum { CHUNK = 1 << CHUNK_EXPONENT_DISK, CHUNKS = 1000 };

static struct stream streams[] = {
	{.number = 4, .kind = STREAM_DEFINITION, .shape = {.size = 5000, .exponent = CHUNK_EXPONENT_DISK}},
	{.number = 7, .kind = STREAM_DISK, .shape = {.size = CHUNKS * CHUNK - 1, .exponent = CHUNK_EXPONENT_DISK}},
	{.number = 9, .kind = STREAM_DISK, .shape = {.size = CHUNKS * CHUNK, .exponent = CHUNK_EXPONENT_DISK}},
};
static const struct point point = {.streams = streams, .n_streams = ARRAY_LENGTH(streams)};

static struct trace_recorder *start(int *ret_fd)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_true(trace_record_file(ret_fd, &err));
	struct trace_recorder *recorder = trace_recorder_new(*ret_fd, &point, &err);
	assert_non_null(recorder);
	return recorder;
}

static void stop(struct trace_recorder *recorder, int fd, struct trace *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_true(trace_record_read(fd, ret, &err));
	trace_recorder_free(recorder);
	close(fd);
}

static void assert_run(const struct trace *trace, size_t i, uint16_t stream, uint64_t first, uint16_t n)
{
	assert_int_equal(trace->runs[i].stream, stream);
	assert_int_equal(trace->runs[i].first, first);
	assert_int_equal(trace->runs[i].n, n);
}

static void each_chunk_once_in_the_order_of_reads(void **state)
{
	(void)state;
	AUTO(trace_release) struct trace trace = {0};
	int fd;
	struct trace_recorder *recorder = start(&fd);
	trace_recorder_note(recorder, 1, 0, 512);
	trace_recorder_note(recorder, 1, 100, CHUNK); /* the first again, and the second */
	trace_recorder_note(recorder, 2, CHUNK - 1, 2);
	trace_recorder_note(recorder, 1, 4 * CHUNK, CHUNK);
	trace_recorder_note(recorder, 1, 3 * CHUNK, 3 * CHUNK); /* around one that was read */
	trace_recorder_note(recorder, 1, CHUNKS * (uint64_t)CHUNK - 2, 1);
	trace_recorder_note(recorder, 0, 0, 5000); /* not a disk */
	trace_recorder_note(recorder, 1, 0, 0);
	trace_recorder_note(NULL, 1, 0, 1);
	stop(recorder, fd, &trace);
	assert_int_equal(trace.n, 6);
	assert_run(&trace, 0, 7, 0, 2);
	assert_run(&trace, 1, 9, 0, 2);
	assert_run(&trace, 2, 7, 4, 1);
	assert_run(&trace, 3, 7, 3, 1);
	assert_run(&trace, 4, 7, 5, 1);
	assert_run(&trace, 5, 7, CHUNKS - 1, 1);
}

static bool read_everything(void *arg, struct err **errp)
{
	(void)errp;
	for (uint64_t i = 0; i < CHUNKS; i++)
		trace_recorder_note(arg, 2, i * 7 % CHUNKS * CHUNK, 4096);
	return true;
}

static void many_readers(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(trace_release) struct trace trace = {0};
	int fd;
	struct trace_recorder *recorder = start(&fd);
	assert_true(pool_join(pool_start("readers", 4, read_everything, NULL, recorder, &err), &err));
	stop(recorder, fd, &trace);
	size_t n = 0;
	for (size_t i = 0; i < trace.n; i++)
		n += trace.runs[i].n;
	assert_int_equal(n, CHUNKS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_chunk_once_in_the_order_of_reads),
		cmocka_unit_test(many_readers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
