/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Boot traces: which chunks a machine read until it was ready, in the order in which it first read them. Recorded when
 * a point is verified, kept beside its receipt as t/<session>/<id8><n>, and fetched first when this point or a later
 * one of the workload boots from far away. See docs/format.md, Traces. It is a hint: nothing but speed depends on it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/point.h"

#define TRACE_RUNS_MAX 65536u
#define TRACE_RUN_SIZE 12

/* Chunks [first, first + n) of a stream, read one after the other. */
struct trace_run {
	uint16_t stream; /* its number */
	uint16_t n;
	uint64_t first;
};

struct trace {
	struct trace_run *runs;
	size_t n, capacity;
};

void trace_release(struct trace *trace);
/* Behind what is there, joined with it where it goes on. What goes beyond TRACE_RUNS_MAX is left out. */
NODISCARD bool trace_add(struct trace *trace, const struct trace_run *run, struct err **errp);

void trace_run_encode(const struct trace_run *run, uint8_t ret[TRACE_RUN_SIZE]);
/* False for what is no run. */
bool trace_run_decode(const uint8_t bytes[TRACE_RUN_SIZE], struct trace_run *ret);
NODISCARD bool trace_encode(const struct trace *trace, struct bytes *ret, struct err **errp);
/* The parser of plaintext, for fuzzing. ERR_CORRUPT. */
NODISCARD bool trace_parse(struct span plain, struct trace *ret, struct err **errp);

/* Seals, signs and stores it beside the receipt of that name, durably. */
NODISCARD bool trace_publish(const struct repository *repository, const struct trace *trace, const char *receipt,
			     struct err **errp);
/* By name, of whoever signed it. ERR_CORRUPT names the object. */
NODISCARD bool trace_load(const struct repository *repository, const char *name, struct trace *ret, struct err **errp);
/* Its signer may read, and was not revoked. */
bool trace_counts(const struct repository *repository, const char *name);
/* That of the point; else that of the nearest point of the workload that has one. An empty one where there is none.
 * What cannot be read is passed over. */
NODISCARD bool trace_find(const struct repository *repository, const struct point *point, struct trace *ret,
			  struct err **errp);
