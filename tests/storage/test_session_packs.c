/* SPDX-License-Identifier: Apache-2.0 */
/* After a thousand increments, a commit names what its point needs, and little else. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/commit.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

#define CHUNK ((size_t)1 << CHUNK_EXPONENT_DISK)
#define CHUNKS 160u
#define INCREMENTS 1000u
#define LEN (CHUNKS * CHUNK)

static void must(bool ok, struct err **errp)
{
	if (!ok)
		fail_msg("%s", err_message(*errp));
}

static void store_chunk(struct session *session, const uint8_t *plain, struct tree_ref *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	struct reservation place;

	must(chunk_identify(session_keys(session), SPAN(plain, CHUNK), &ret->id, &err), &err);
	must(session_reserve(session, &ret->id, CHUNK, CODEC_RAW, CHUNK, &place, &err), &err);
	must(place.stored || session_seal(session, &place, SPAN(plain, CHUNK), &err), &err);
	ret->at = place.at;
}

/* One chunk is other than in the parent; the rest is taken over. */
static void store_above(struct session *session, struct pack_reader *packs, const struct stream *parent, uint64_t index,
			const uint8_t *plain, struct stream *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	struct tree_ref chunk;

	*ret = *parent;
	AUTO(tree_reader_freep) struct tree_reader *below = tree_reader_new(packs, &parent->shape, &parent->top, &err);
	AUTO(tree_writer_freep)
	struct tree_writer *tree = tree_writer_new(session_keys(session), &parent->shape, below, session_is_condemned,
						   session, session_store_node, session, &err);
	assert_non_null(tree);
	store_chunk(session, plain, &chunk);
	must(tree_writer_put(tree, index, &chunk, &err), &err);
	must(tree_writer_finish(tree, &ret->top, &err), &err);
	must(stream_root(session_keys(session), &ret->shape, &ret->top.id, &ret->root, &err), &err);
}

static void increment(struct runs *runs, const struct point *parent, uint64_t index, const uint8_t *plain,
		      struct point *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(session_freep) struct session *session = runs_begin(runs);
	AUTO(pack_reader_freep) struct pack_reader *packs = pack_reader_new(runs->repository, 1 << 20, &err);
	struct stream *stream = calloc(1, sizeof(*stream));

	assert_non_null(stream);
	*ret = (struct point){.consistency = CONSISTENCY_OFFLINE,
			      .cut_ns = parent->cut_ns + 1,
			      .workload = "web01",
			      .engine = "files",
			      .streams = stream,
			      .n_streams = 1};
	store_above(session, packs, &parent->streams[0], index, plain, stream);
	must(session_commit(session, ret, parent, &err), &err);
}

/* Packs that lie nowhere in the trees are what the set has too much. */
static size_t sessions_named(struct runs *runs, const struct point *point)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(commit_release) struct commit commit = {0};

	must(commit_load(runs->repository, &point->session, &commit, &err), &err);
	return commit.packs.n;
}

static void test_commits_stay_small(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	AUTO(point_release) struct point point = {0};
	size_t most = 0;

	runs_back_up(runs, "web01", 1, plain, LEN, &point);
	for (uint64_t i = 0; i < INCREMENTS; i++) {
		struct point next;
		uint64_t index = (i * 7 + i / 31) % CHUNKS;
		AUTO(freep) uint8_t *changed = runs_bytes(i + 2, CHUNK);
		memcpy(plain + index * CHUNK, changed, CHUNK);
		increment(runs, &point, index, changed, &next);
		point_release(&point);
		point = next;
		size_t named = sessions_named(runs, &point);
		most = named > most ? named : most;
	}
	/* A session a chunk at most, one for the first backup, one for nodes; and what gathers until the next walk. */
	if (most > CHUNKS + 2 + 64)
		fail_msg("a commit names %zu sessions", most);
	runs_check(runs, &point, plain, LEN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_commits_stay_small, runs_setup_memory, runs_teardown),
	};

	return cmocka_run_group_tests_name("session_packs", tests, NULL, NULL);
}
