/* SPDX-License-Identifier: Apache-2.0 */
/* A repository that sessions write to, on a folder or in memory, and a collector that says what a test needs. */
#pragma once

#include "base/err.h"
#include "storage/collection.h"
#include "storage/pack_read.h"
#include "storage/session.h"

struct runs {
	void *folder; /* the current one: repository in "repo", state in "state" */
	struct repository *repository;
};

/* Setup and teardown for cmocka; *state is a struct runs. */
int runs_setup_local(void **state);
int runs_setup_memory(void **state);
int runs_teardown(void **state);
/* The same repository on the folder, opened again. */
struct repository *runs_open(const char *state_dir);

/* Bytes that depend on seed and do not compress. */
uint8_t *runs_bytes(uint64_t seed, size_t len);
struct session *runs_begin(struct runs *runs);
/* Stores a stream and commits it as the point of a workload; 4 threads seal. */
void runs_store(struct session *session, const uint8_t *plain, size_t len, struct stream *ret);
/* Fails with the code, or 0: succeeds. */
void runs_commit(struct session *session, const char *workload, uint64_t cut_ns, struct stream *stream,
		 struct point *ret, enum err_code expected);
/* A whole run of one stream. */
void runs_back_up(struct runs *runs, const char *workload, uint64_t cut_ns, const uint8_t *plain, size_t len,
		  struct point *ret);
/* Reads the stream of a point again and compares. */
void runs_check(struct runs *runs, const struct point *point, const uint8_t *plain, size_t len);

/* From now on this object is where the disk has a bad sector. */
void runs_break(struct runs *runs, const char *name);
/* From now on it can be neither read nor measured, with that code. */
void runs_fail(struct runs *runs, const char *name, enum err_code code);
/* From now on `then` is called with arg whenever this object is read. */
void runs_on_read(struct runs *runs, const char *name, void (*then)(void *arg), void *arg);
/* From now on `then` is called with arg, once, behind the next LIST of that prefix. */
void runs_behind_list(struct runs *runs, const char *prefix, void (*then)(void *arg), void *arg);

/* Nothing of the kind any more. */
void runs_calm(struct runs *runs);

/* Every pack that session stored, from its lists. */
void runs_packs_of(struct runs *runs, const struct session_id *session, struct pack_set *ret);
/* g/<x>.plan that condemns the packs. */
void runs_plan(struct runs *runs, uint64_t x, const struct pack_set *packs);
/* g/<x>.final; one writer. */
void runs_final(struct runs *runs, uint64_t x, const struct pack_set *packs, const struct checkpoint_writer *writer);
/* c/<session> as a fence. */
void runs_fence(struct runs *runs, const struct session_id *session);
