/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/trace_record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

enum { HIGH_FD = 16 };

struct seen {
	uint8_t *chunks; /* a bit each; NULL: not recorded */
	struct stream_shape shape;
	uint16_t number;
};

struct trace_recorder {
	int fd;
	size_t n;	      /* streams */
	pthread_mutex_t lock; /* of what follows, and of writing */
	size_t runs;
	bool failed;
	struct seen streams[];
};

static bool begin_stream(struct seen *seen, const struct stream *stream, struct err **errp)
{
	*seen = (struct seen){.shape = stream->shape, .number = stream->number};
	if (stream->kind != STREAM_DISK)
		return true;
	seen->chunks = calloc(stream_chunks(&stream->shape) / 8 + 1, 1);
	return seen->chunks || err_set_no_memory(errp);
}

struct trace_recorder *trace_recorder_new(int fd, const struct point *point, struct err **errp)
{
	AUTO(trace_recorder_freep)
	struct trace_recorder *recorder = calloc(1, sizeof(*recorder) + point->n_streams * sizeof(struct seen));
	if (!recorder) {
		err_set_no_memory(errp);
		return NULL;
	}
	recorder->fd = fd;
	recorder->n = point->n_streams;
	pthread_mutex_init(&recorder->lock, NULL);
	for (size_t i = 0; i < recorder->n; i++)
		if (!begin_stream(&recorder->streams[i], &point->streams[i], errp))
			return NULL;
	return STEAL(&recorder);
}

void trace_recorder_free(struct trace_recorder *recorder)
{
	if (!recorder)
		return;
	for (size_t i = 0; i < recorder->n; i++)
		free(recorder->streams[i].chunks);
	pthread_mutex_destroy(&recorder->lock);
	free(recorder);
}

static bool is_new(struct seen *seen, uint64_t chunk)
{
	uint8_t *byte = &seen->chunks[chunk / 8], bit = (uint8_t)(1u << chunk % 8);
	bool was = *byte & bit;
	*byte |= bit;
	return !was;
}

/* A trace that cannot be written ends where it is. */
static void write_run(struct trace_recorder *recorder, const struct trace_run *run)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t bytes[TRACE_RUN_SIZE];
	if (run->n == 0 || recorder->failed || recorder->runs == TRACE_RUNS_MAX)
		return;
	trace_run_encode(run, bytes);
	recorder->failed =
		!file_write_at(recorder->fd, bytes, sizeof(bytes), recorder->runs * sizeof(bytes), "trace", &err);
	recorder->runs++;
}

static void note_chunks(struct trace_recorder *recorder, struct seen *seen, uint64_t first, uint64_t end)
{
	struct trace_run run = {.stream = seen->number, .first = first};
	for (uint64_t chunk = first; chunk < end; chunk++) {
		if (is_new(seen, chunk) && run.n < UINT16_MAX) {
			run.n++;
			continue;
		}
		write_run(recorder, &run);
		run = (struct trace_run){.stream = seen->number, .first = chunk + 1};
	}
	write_run(recorder, &run);
}

void trace_recorder_note(struct trace_recorder *recorder, size_t stream, uint64_t offset, uint64_t len)
{
	struct seen *seen = recorder ? &recorder->streams[stream] : NULL;
	if (!seen || !seen->chunks || len == 0)
		return;
	pthread_mutex_lock(&recorder->lock);
	note_chunks(recorder, seen, offset >> seen->shape.exponent, ((offset + len - 1) >> seen->shape.exponent) + 1);
	pthread_mutex_unlock(&recorder->lock);
}

bool trace_record_file(int *ret_fd, struct err **errp)
{
	AUTO(file_closep) int fd = memfd_create("salvor-trace", MFD_CLOEXEC);
	*ret_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_FD);
	return *ret_fd >= 0 || err_set_errno(errp, errno, "make a file for the boot trace");
}

bool trace_record_read(int fd, struct trace *ret, struct err **errp)
{
	AUTO(trace_release) struct trace trace = {0};
	struct stat there;
	if (fstat(fd, &there) != 0)
		return err_set_errno(errp, errno, "look at the boot trace");
	size_t n = (size_t)there.st_size / TRACE_RUN_SIZE;
	for (size_t i = 0; i < n && i < TRACE_RUNS_MAX; i++) {
		uint8_t bytes[TRACE_RUN_SIZE];
		struct trace_run run;
		if (!file_read_at(fd, bytes, sizeof(bytes), i * sizeof(bytes), "boot trace", errp))
			return false;
		if (trace_run_decode(bytes, &run) && !trace_add(&trace, &run, errp))
			return false;
	}
	*ret = trace;
	trace = (struct trace){0};
	return true;
}
