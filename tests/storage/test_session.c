/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/session.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "storage/scrub.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

#define MIB ((size_t)1 << 20)

static void must_be_sound(struct runs *runs)
{
	AUTO(err_freep) struct err *err = NULL;
	struct scrub_report report = {0};
	struct scrub_options options = {0};

	if (!scrub_run(runs->repository, &options, &report, &err))
		fail_msg("%s", err_message(err));
	for (size_t i = 0; i < report.n_damaged; i++)
		fail_msg("%s: %s", report.damaged[i].object, report.damaged[i].reason);
	scrub_report_release(&report);
}

/* More than three packs are filled, so that reserving waits for uploads. */
static void test_store_and_read(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(1, 200 * MIB + 777);
	AUTO(point_release) struct point point = {0};

	memset(plain + 3 * MIB, 0, 5 * MIB);
	runs_back_up(runs, "web01", 1, plain, 200 * MIB + 777, &point);
	runs_check(runs, &point, plain, 200 * MIB + 777);
	must_be_sound(runs);
}

static void test_same_bytes_are_stored_once(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(2, 8 * MIB);
	AUTO(point_release) struct point first = {0}, second = {0};
	AUTO(pack_set_release) struct pack_set packs = {0};

	memcpy(plain + 4 * MIB, plain, 4 * MIB);
	runs_back_up(runs, "web01", 1, plain, 8 * MIB, &first);
	runs_back_up(runs, "web01", 2, plain, 8 * MIB, &second);
	runs_packs_of(runs, &second.session, &packs);
	assert_int_equal(pack_set_count(&packs), 0);
	assert_int_equal(second.previous_number, first.session.number);
	assert_memory_equal(second.previous_point, first.id, POINT_ID_SIZE);
	runs_check(runs, &second, plain, 8 * MIB);
	must_be_sound(runs);
}

static void test_condemned_is_stored_again(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(3, 4 * MIB);
	AUTO(point_release) struct point first = {0}, second = {0};
	AUTO(pack_set_release) struct pack_set old = {0}, fresh = {0};

	runs_back_up(runs, "web01", 1, plain, 4 * MIB, &first);
	runs_packs_of(runs, &first.session, &old);
	runs_plan(runs, 1, &old);
	runs_back_up(runs, "web01", 2, plain, 4 * MIB, &second);
	runs_packs_of(runs, &second.session, &fresh);
	assert_int_equal(pack_set_count(&fresh), 2);
	assert_true(session_id_equal(&second.streams[0].top.at.session, &second.session));
	runs_check(runs, &second, plain, 4 * MIB);
}

static void each_condemned(const struct session_id *of, struct session *session, uint32_t seq)
{
	assert_true(session_is_condemned(session, PACK_META, of, seq) &&
		    session_is_condemned(session, PACK_CHUNKS, of, seq));
}

static void test_parent_in_condemned_packs_is_not_whole(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *plain = runs_bytes(4, 4 * MIB);
	AUTO(point_release) struct point parent = {0};
	AUTO(pack_set_release) struct pack_set packs = {0};
	bool whole;

	runs_back_up(runs, "web01", 1, plain, 4 * MIB, &parent);
	AUTO(session_freep) struct session *before = runs_begin(runs);
	assert_true(session_parent_is_whole(before, &parent, &whole, &err) && whole);
	assert_true(session_cancel(before, &err));
	runs_packs_of(runs, &parent.session, &packs);
	runs_plan(runs, 1, &packs);
	AUTO(session_freep) struct session *after = runs_begin(runs);
	assert_true(session_parent_is_whole(after, &parent, &whole, &err));
	assert_false(whole);
	each_condemned(&parent.session, after, parent.streams[0].top.at.seq);
}

static void test_fenced_session_fails(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(5, MIB);
	AUTO(session_freep) struct session *session = runs_begin(runs);
	AUTO(point_release) struct point point = {0};
	AUTO(point_list_release) struct point_list list = {0};
	AUTO(err_freep) struct err *err = NULL;
	struct stream *stream = calloc(1, sizeof(*stream));

	runs_store(session, plain, MIB, stream);
	runs_fence(runs, session_id(session));
	runs_commit(session, "web01", 1, stream, &point, ERR_BUSY);
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n, 0);
	assert_int_equal(list.n_damaged, 0);
}

static void test_below_the_low_mark_fails_after_commit(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(6, MIB);
	AUTO(session_freep) struct session *session = runs_begin(runs);
	AUTO(point_release) struct point point = {0};
	AUTO(point_list_release) struct point_list list = {0};
	AUTO(err_freep) struct err *err = NULL;
	struct stream *stream = calloc(1, sizeof(*stream));
	struct checkpoint_writer writer = {.low = session_id(session)->number};

	memcpy(writer.id8, session_id(session)->writer, WRITER_SIZE);
	runs_store(session, plain, MIB, stream);
	runs_plan(runs, 1, &(struct pack_set){0});
	runs_final(runs, 1, &(struct pack_set){0}, &writer);
	runs_commit(session, "web01", 1, stream, &point, ERR_BUSY);
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n, 0);
}

static void test_cancelled_run_is_used_by_the_next(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) uint8_t *plain = runs_bytes(7, 4 * MIB);
	AUTO(point_release) struct point point = {0};
	AUTO(pack_set_release) struct pack_set packs = {0};
	struct stream stream;

	AUTO(session_freep) struct session *session = runs_begin(runs);
	runs_store(session, plain, 4 * MIB, &stream);
	assert_true(session_cancel(session, &err));
	runs_back_up(runs, "web01", 1, plain, 4 * MIB, &point);
	runs_packs_of(runs, &point.session, &packs);
	assert_int_equal(pack_set_count(&packs), 0);
	runs_check(runs, &point, plain, 4 * MIB);
}

static void test_two_sessions_at_once(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(8, 4 * MIB);
	AUTO(session_freep) struct session *one = runs_begin(runs);
	AUTO(session_freep) struct session *two = runs_begin(runs);
	struct stream *first = calloc(1, sizeof(*first)), *second = calloc(1, sizeof(*second));
	AUTO(point_release) struct point a = {0}, b = {0};

	assert_int_not_equal(session_id(one)->number, session_id(two)->number);
	runs_store(one, plain, 4 * MIB, first);
	runs_store(two, plain, 4 * MIB, second);
	runs_commit(two, "web01", 1, second, &a, 0);
	runs_commit(one, "web01", 2, first, &b, 0);
	runs_check(runs, &a, plain, 4 * MIB);
	runs_check(runs, &b, plain, 4 * MIB);
	must_be_sound(runs);
}

/* Behind the last number there is none: a session 0 would make a point that nobody can read. */
static void test_last_number_makes_no_session(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	struct session_id last = {.number = UINT64_MAX};
	char name[OBJECT_NAME_SIZE];

	memcpy(last.writer, repository_identity(runs->repository)->id8, WRITER_SIZE);
	object_name_session('w', &last, name);
	assert_true(backend_put(repository_backend(runs->repository), name, SPAN_TEXT("junk"), &err));
	assert_null(session_begin(runs->repository, NULL, &err));
	assert_int_equal(err_code(err), ERR_CORRUPT);
	assert_string_equal(err_object(err), name);
}

/* What readers would refuse is not committed, so that a success is a point. */
static void test_unreadable_point_is_not_committed(void **state)
{
	static const char *const names[] = {"", "w\xff"};
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_list_release) struct point_list list = {0};

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		AUTO(freep) uint8_t *plain = runs_bytes(9, MIB);
		AUTO(session_freep) struct session *session = runs_begin(runs);
		AUTO(point_release) struct point point = {0};
		struct stream *stream = calloc(1, sizeof(*stream));

		runs_store(session, plain, MIB, stream);
		runs_commit(session, names[i], 1, stream, &point, ERR_FAILED);
	}
	assert_true(point_list_load(runs->repository, NULL, &list, &err));
	assert_int_equal(list.n + list.n_damaged, 0);
}

static void test_unsealed_place_makes_no_point(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(session_freep) struct session *session = runs_begin(runs);
	struct chunk_id id = {.b = {1}};
	struct reservation place;
	struct stream *stream = calloc(1, sizeof(*stream));
	AUTO(point_release) struct point point = {0};

	*stream =
		(struct stream){.number = 1, .kind = STREAM_DISK, .name = "vda", .shape = {.size = 0, .exponent = 16}};
	assert_true(session_reserve(session, &id, 65536, CODEC_RAW, 65536, &place, &err));
	assert_false(place.stored);
	struct reservation again;
	assert_true(session_reserve(session, &id, 65536, CODEC_RAW, 65536, &again, &err));
	assert_true(again.stored);
	runs_commit(session, "web01", 1, stream, &point, ERR_FAILED);
}

static _Noreturn void run_until_killed(uint64_t round)
{
	struct runs runs = {.repository = runs_open("state")};

	for (uint64_t i = 0;; i++) {
		AUTO(point_release) struct point point = {0};
		AUTO(freep) uint8_t *plain = runs_bytes(round * 1000 + i, 70 * MIB);
		runs_back_up(&runs, "killed", i + 1, plain, 70 * MIB, &point);
	}
}

/* Whatever the moment, what there is stays sound, and the next run succeeds. */
static void test_sigkill(void **state)
{
	struct runs *runs = *state;
	unsigned seed = (unsigned)getpid();

	for (uint64_t round = 1; round <= 4; round++) {
		pid_t child = fork();
		if (child == 0)
			run_until_killed(round);
		struct timespec moment = {.tv_nsec = 1000000L * (20 + rand_r(&seed) % 900)};
		nanosleep(&moment, NULL);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);
		AUTO(freep) uint8_t *plain = runs_bytes(round * 1000, 70 * MIB);
		AUTO(point_release) struct point point = {0};
		runs_back_up(runs, "after", round, plain, 70 * MIB, &point);
		runs_check(runs, &point, plain, 70 * MIB);
		must_be_sound(runs);
	}
}

static _Noreturn void die_before_commit(int ready)
{
	struct runs runs = {.repository = runs_open("state")};
	struct session *session = runs_begin(&runs);
	AUTO(freep) uint8_t *plain = runs_bytes(99, 70 * MIB);
	struct stream stream;
	struct session_stats stats;

	runs_store(session, plain, 70 * MIB, &stream);
	do
		session_get_stats(session, &stats);
	while (stats.packs < 2);
	if (write(ready, "", 1) != 1)
		abort();
	for (;;)
		pause();
}

/* Two packs were durable and in no list: the next run of this host publishes the list, and stores only what is missing.
 */
static void test_dead_session_is_taken_over(void **state)
{
	struct runs *runs = *state;
	AUTO(freep) uint8_t *plain = runs_bytes(99, 70 * MIB);
	AUTO(point_release) struct point point = {0};
	AUTO(pack_set_release) struct pack_set packs = {0}, taken = {0};
	int pipe_ends[2];
	char byte;

	assert_int_equal(pipe(pipe_ends), 0);
	pid_t child = fork();
	if (child == 0)
		die_before_commit(pipe_ends[1]);
	assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	runs_back_up(runs, "web01", 1, plain, 70 * MIB, &point);
	struct session_id dead = point.session;
	dead.number = 1;
	runs_packs_of(runs, &dead, &taken);
	assert_int_equal(pack_set_count(&taken), 2);
	runs_packs_of(runs, &point.session, &packs);
	assert_int_equal(pack_set_count(&packs), 2);
	runs_check(runs, &point, plain, 70 * MIB);
	must_be_sound(runs);
}

#define LOCAL(test) cmocka_unit_test_setup_teardown(test, runs_setup_local, runs_teardown)
#define BOTH(test) LOCAL(test), cmocka_unit_test_setup_teardown(test, runs_setup_memory, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_store_and_read),
		BOTH(test_same_bytes_are_stored_once),
		BOTH(test_condemned_is_stored_again),
		BOTH(test_parent_in_condemned_packs_is_not_whole),
		BOTH(test_fenced_session_fails),
		BOTH(test_below_the_low_mark_fails_after_commit),
		BOTH(test_cancelled_run_is_used_by_the_next),
		BOTH(test_two_sessions_at_once),
		BOTH(test_unsealed_place_makes_no_point),
		BOTH(test_unreadable_point_is_not_committed),
		BOTH(test_last_number_makes_no_session),
		LOCAL(test_sigkill),
		LOCAL(test_dead_session_is_taken_over),
	};

	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
