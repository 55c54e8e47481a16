/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/trace.h"

#include <stdlib.h>

#include "base/err.h"

enum { COUNT_SIZE = 4, CHUNK_AT = 4 };

void trace_release(struct trace *trace)
{
	free(trace->runs);
	*trace = (struct trace){0};
}

static bool goes_on(const struct trace_run *last, const struct trace_run *run)
{
	return last->stream == run->stream && last->first + last->n == run->first &&
	       (unsigned)last->n + run->n <= UINT16_MAX;
}

bool trace_add(struct trace *trace, const struct trace_run *run, struct err **errp)
{
	struct trace_run *last = trace->n > 0 ? &trace->runs[trace->n - 1] : NULL;
	if (last && goes_on(last, run)) {
		last->n = (uint16_t)(last->n + run->n);
		return true;
	}
	if (trace->n == TRACE_RUNS_MAX)
		return true;
	if (!trace->runs || trace->n == trace->capacity) {
		size_t capacity = trace->capacity ? 2 * trace->capacity : 64;
		struct trace_run *runs = reallocarray(trace->runs, capacity, sizeof(*runs));
		if (!runs)
			return err_set_no_memory(errp);
		trace->runs = runs;
		trace->capacity = capacity;
	}
	trace->runs[trace->n++] = *run;
	return true;
}

void trace_run_encode(const struct trace_run *run, uint8_t ret[TRACE_RUN_SIZE])
{
	bytes_store_le16(ret, run->stream);
	bytes_store_le16(ret + 2, run->n);
	bytes_store_le64(ret + CHUNK_AT, run->first);
}

bool trace_run_decode(const uint8_t bytes[TRACE_RUN_SIZE], struct trace_run *ret)
{
	*ret = (struct trace_run){.stream = bytes_load_le16(bytes),
				  .n = bytes_load_le16(bytes + 2),
				  .first = bytes_load_le64(bytes + CHUNK_AT)};
	return ret->n > 0 && ret->first <= (uint64_t)INT64_MAX - ret->n;
}

bool trace_encode(const struct trace *trace, struct bytes *ret, struct err **errp)
{
	AUTO(bytes_release) struct bytes out;
	bytes_init(&out, COUNT_SIZE + TRACE_RUNS_MAX * TRACE_RUN_SIZE);
	bytes_u32(&out, (uint32_t)trace->n);
	for (size_t i = 0; i < trace->n; i++) {
		uint8_t run[TRACE_RUN_SIZE];
		trace_run_encode(&trace->runs[i], run);
		bytes_put(&out, run, sizeof(run));
	}
	if (!bytes_ok(&out))
		return err_set_no_memory(errp);
	*ret = out;
	out = (struct bytes){0};
	return true;
}

static bool parse_runs(struct cursor *cursor, size_t n, struct trace *trace, struct err **errp)
{
	trace->runs = calloc(n + 1, sizeof(*trace->runs));
	if (!trace->runs)
		return err_set_no_memory(errp);
	trace->capacity = n + 1;
	for (; trace->n < n; trace->n++)
		if (!trace_run_decode(cursor_take(cursor, TRACE_RUN_SIZE).data, &trace->runs[trace->n]))
			return err_set(errp, ERR_CORRUPT, "run %zu: it is not a run of chunks", trace->n);
	return true;
}

bool trace_parse(struct span plain, struct trace *ret, struct err **errp)
{
	AUTO(trace_release) struct trace trace = {0};
	struct cursor cursor;
	cursor_init(&cursor, plain);
	uint32_t n = cursor_u32(&cursor);
	if (!cursor_ok(&cursor) || n > TRACE_RUNS_MAX || cursor.left != (size_t)n * TRACE_RUN_SIZE)
		return err_set(errp, ERR_CORRUPT, "its size is not what it says");
	if (!parse_runs(&cursor, n, &trace, errp))
		return false;
	*ret = trace;
	trace = (struct trace){0};
	return true;
}
