/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/scrub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/list.h"
#include "tests/error.h"
#include "tests/storage/scrubs.h"

static void test_sound(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;

	scrubs_make(runs, &a, &b);
	scrubs_run(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	assert_true(report.bytes > 2 * SCRUBS_LEN);
	assert_true(report.objects >= 2 + 2 + 2 + 2 + 2 + 2);
	scrub_report_release(&report);
}

static void test_every_byte_of_a_pack_counts(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	const size_t places[] = {0, 70, 100000, SCRUBS_LEN - 5, SCRUBS_LEN + 1000};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &b.session, 1, name);
	for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
		scrubs_flip(runs, name, places[i]);
		scrubs_run(runs, &report);
		scrubs_must_hurt(&report, name, &b);
		assert_int_equal(report.n_damaged, 1);
		scrub_report_release(&report);
		scrubs_flip(runs, name, places[i]);
	}
}

static void test_missing_packs(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, chunks);
	object_name_pack(PACK_META, &b.session, b.streams[0].top.at.seq, nodes);
	assert_true(backend_remove(repository_backend(runs->repository), chunks, &err));
	assert_true(backend_remove(repository_backend(runs->repository), nodes, &err));
	scrubs_run(runs, &report);
	scrubs_must_hurt(&report, chunks, &a);
	scrubs_must_hurt(&report, nodes, &b);
	scrub_report_release(&report);
}

static void test_small_objects(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char names[4][OBJECT_NAME_SIZE] = {"k/00000000"};

	scrubs_make(runs, &a, &b);
	object_name_session('c', &a.session, names[1]);
	object_name_session('w', &a.session, names[2]);
	object_name_list(&a.session, 0, names[3]);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		scrubs_flip(runs, names[i], 60);
		scrubs_run(runs, &report);
		if (!scrubs_find(&report, names[i]))
			fail_msg("%s is not named", names[i]);
		scrub_report_release(&report);
		scrubs_flip(runs, names[i], 60);
	}
}

/* What a dead run left is no damage. */
static void test_unlisted_pack(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 77, name);
	assert_true(backend_put(repository_backend(runs->repository), name, SPAN_TEXT("rest"), &err));
	scrubs_run(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
}

static void test_bad_sector_is_damage(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, name);
	runs_break(runs, name);
	scrubs_run(runs, &report);
	scrubs_must_hurt(&report, name, &a);
	scrub_report_release(&report);
}

struct meanwhile {
	struct runs *runs;
	uint64_t seed;
};

static void back_up_meanwhile(void *arg)
{
	struct meanwhile *meanwhile = arg;
	AUTO(freep) uint8_t *plain = runs_bytes(++meanwhile->seed, SCRUBS_LEN);
	AUTO(point_release) struct point point = {0};

	runs_back_up(meanwhile->runs, "web03", meanwhile->seed, plain, SCRUBS_LEN, &point);
}

/* A scrub takes hours, and backups go on. */
static void test_backup_meanwhile_is_no_damage(void **state)
{
	static const char *const prefixes[] = {"l/", "p/", "m/"};
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct meanwhile meanwhile = {.runs = runs, .seed = 10};
	struct scrub_report report;

	scrubs_make(runs, &a, &b);
	for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
		runs_behind_list(runs, prefixes[i], back_up_meanwhile, &meanwhile);
		scrubs_run(runs, &report);
		assert_int_equal(report.n_damaged, 0);
		scrub_report_release(&report);
	}
}

static void take_away(void *arg)
{
	(void)arg;
	rename("repo", "away");
}

/* What went with its file system is not damaged. */
static void test_a_repository_that_vanishes(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_options options = {.level = SCRUB_DIGESTS};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	runs_on_read(runs, object_name_pack(PACK_CHUNKS, &a.session, 1, name), take_away, NULL);
	assert_false(scrub_run(runs->repository, &options, &report, &err));
	assert_error(&err, ERR_GONE, "vanished");
	assert_int_equal(rename("away", "repo"), 0);
	runs_calm(runs);
	scrubs_run(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
}

/* A host that cannot read what it wrote writes, and checks. */
static void test_write_only_key(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct repository_options options = {.url = "repo", .key = {.key_file = "host.key"}, .state_dir = "host"};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	assert_true(repository_add_key(runs->repository, "host", ROLE_WRITE, "host.key", &err));
	AUTO(repository_freep) struct repository *repository = repository_open(&options, &err);
	assert_non_null(repository);
	struct runs host = {.repository = repository};
	scrubs_make_sharing(&host, &a, &b);
	scrubs_run(&host, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	object_name_pack(PACK_CHUNKS, &a.session, 1, name);
	scrubs_flip(&host, name, SCRUBS_LEN - 5000);
	scrubs_run(&host, &report);
	assert_int_equal(report.n_hurt, 2);
	assert_int_equal(report.may_be_hurt, 2); /* it cannot look into the pack */
	assert_int_equal(scrubs_find(&report, name)->n_may_hurt, 2);
	scrub_report_release(&report);
	AUTO(repository_freep) struct repository *again = runs_open("state");
	struct runs owner = {.repository = again};
	scrubs_run(&owner, &report);
	scrubs_must_hurt(&report, name, &a);
	scrub_report_release(&report);
}

static void test_levels(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &b.session, 1, name);
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_CONTENTS; level++) {
		scrubs_run_at(runs, level, &report);
		assert_int_equal(report.n_damaged, 0);
		assert_true(report.bytes > 2 * SCRUBS_LEN);
		scrub_report_release(&report);
	}
	scrubs_flip(runs, name, 1000);
	scrubs_run_at(runs, SCRUB_SIZES, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	scrubs_run_at(runs, SCRUB_CONTENTS, &report);
	scrubs_must_hurt(&report, name, &b);
	assert_int_equal(report.whole_points, 1);
	assert_int_equal(report.n_whole, 1);
	assert_memory_equal(report.whole[0].id, a.id, POINT_ID_SIZE);
	scrub_report_release(&report);
}

static void test_sizes_see_what_is_missing_or_short(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char missing[OBJECT_NAME_SIZE], shorter[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, missing);
	object_name_pack(PACK_CHUNKS, &b.session, 1, shorter);
	assert_true(backend_remove(repository_backend(runs->repository), missing, &err));
	assert_true(backend_put(repository_backend(runs->repository), shorter, SPAN_TEXT("short"), &err));
	scrubs_run_at(runs, SCRUB_SIZES, &report);
	scrubs_must_hurt(&report, missing, &a);
	scrubs_must_hurt(&report, shorter, &b);
	scrub_report_release(&report);
}

/* A list says of a pack what it holds now, so only opening it tells that a chunk in it is another. */
static void relist(struct runs *runs, const struct session_id *session)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(list_release) struct list list = {0};
	char name[OBJECT_NAME_SIZE];
	uint8_t hash[HASH_SIZE];
	size_t size;

	assert_true(list_load(runs->repository, session, 0, &list, &err));
	for (size_t i = 0; i < list.n; i++) {
		AUTO(bytes_release) struct bytes pack = {0};
		object_name_pack(list.packs[i].cls, session, list.packs[i].seq, name);
		assert_true(backend_get(repository_backend(runs->repository), name, 64 << 20, &pack, &err));
		struct span bytes = bytes_span(&pack);
		assert_true(crypto_sha256(&bytes, 1, list.packs[i].sha256, &err));
	}
	assert_true(backend_remove(repository_backend(runs->repository), object_name_list(session, 0, name), &err));
	assert_true(list_publish(runs->repository, &list, hash, &size, &err));
}

static void test_contents_open_every_chunk(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &b.session, 1, name);
	scrubs_flip(runs, name, SCRUBS_LEN / 2);
	relist(runs, &b.session);
	scrubs_run(runs, &report);
	assert_null(scrubs_find(&report, name));
	scrub_report_release(&report);
	scrubs_run_at(runs, SCRUB_CONTENTS, &report);
	scrubs_must_hurt(&report, name, &b);
	scrub_report_release(&report);
}

static void request_cancel(void *arg)
{
	cancel_request(arg);
}

/* Breaks off when a commit is read, which is behind all packs. */
static void interrupt(struct runs *runs, const char *at)
{
	AUTO(err_freep) struct err *err = NULL;
	struct cancel cancel = {0};
	struct scrub_options options = {.level = SCRUB_DIGESTS, .cancel = &cancel};
	struct scrub_report report;

	runs_on_read(runs, at, request_cancel, &cancel);
	assert_false(scrub_run(runs->repository, &options, &report, &err));
	assert_int_equal(err_code(err), ERR_CANCELLED);
	runs_calm(runs);
}

static void test_an_interrupted_pass_goes_on(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0}, c = {0};
	struct scrub_report report, anew;
	char first[OBJECT_NAME_SIZE], commit[OBJECT_NAME_SIZE];
	struct scrub_options options = {.level = SCRUB_DIGESTS, .anew = true};

	scrubs_make(runs, &a, &b);
	AUTO(freep) uint8_t *plain = runs_bytes(3, SCRUBS_LEN);
	runs_back_up(runs, "web03", 3, plain, SCRUBS_LEN, &c);
	object_name_pack(PACK_CHUNKS, &a.session, 1, first);
	object_name_session('c', &c.session, commit);
	interrupt(runs, commit);
	scrubs_flip(runs, first, 5000); /* was found sound, and is not read again */
	scrubs_run(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	assert_true(report.bytes_before > 3 * SCRUBS_LEN);
	assert_true(report.bytes > 3 * SCRUBS_LEN);
	scrub_report_release(&report);
	scrubs_run(runs, &report); /* that pass was over */
	scrubs_must_hurt(&report, first, &a);
	assert_int_equal(report.bytes_before, 0);
	scrub_report_release(&report);
	interrupt(runs, commit);
	assert_true(scrub_run(runs->repository, &options, &anew, &err));
	assert_int_equal(anew.bytes_before, 0);
	scrub_report_release(&anew);
}

static void test_a_damaged_memory_counts_as_none(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char commit[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_session('c', &a.session, commit);
	interrupt(runs, commit);
	AUTO(freep) char *path = file_join(repository_state_path(runs->repository), "scrub-digests");
	AUTO(bytes_release) struct bytes memory = {0};
	assert_true(file_read_all(path, 1 << 20, &memory, &err));
	memory.data[memory.len / 2] ^= 1;
	assert_true(file_replace(path, bytes_span(&memory), 0600, &err));
	scrubs_run(runs, &report);
	assert_int_equal(report.bytes_before, 0);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
}

/* The scrub is none the worse for it, and tells. */
static void test_a_memory_that_cannot_be_kept(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;

	scrubs_make(runs, &a, &b);
	scrubs_run(runs, &report);
	assert_null(report.unkept);
	scrub_report_release(&report);
	AUTO(freep) char *path = file_join(repository_state_path(runs->repository), "scrub-findings");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	scrubs_run(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	assert_non_null(report.unkept);
	assert_non_null(strstr(report.unkept, path));
	scrub_report_release(&report);
	assert_int_equal(rmdir(path), 0);
}

/* What is damaged is not found by the next backup, which stores it again. */
static void test_the_next_backup_stores_again_what_is_damaged(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0}, again = {0}, more = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, SCRUBS_LEN);
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, name);
	scrubs_flip(runs, name, 5000);
	scrubs_run(runs, &report);
	scrubs_must_hurt(&report, name, &a);
	scrub_report_release(&report);
	runs_back_up(runs, "web01", 3, plain, SCRUBS_LEN, &again);
	runs_check(runs, &again, plain, SCRUBS_LEN);
	scrubs_run(runs, &report);
	scrubs_must_hurt(&report, name, &a);
	assert_int_equal(report.whole_points, 2);
	scrub_report_release(&report);
	scrubs_flip(runs, name, 5000); /* an intact copy was put back */
	scrubs_run(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	runs_back_up(runs, "web01", 4, plain, SCRUBS_LEN, &more);
	runs_check(runs, &more, plain, SCRUBS_LEN);
}

#define BOTH(test)                                                              \
	cmocka_unit_test_setup_teardown(test, runs_setup_local, runs_teardown), \
		cmocka_unit_test_setup_teardown(test, runs_setup_memory, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_sound),
		BOTH(test_every_byte_of_a_pack_counts),
		BOTH(test_missing_packs),
		BOTH(test_small_objects),
		BOTH(test_unlisted_pack),
		BOTH(test_bad_sector_is_damage),
		BOTH(test_backup_meanwhile_is_no_damage),
		BOTH(test_levels),
		BOTH(test_sizes_see_what_is_missing_or_short),
		BOTH(test_contents_open_every_chunk),
		BOTH(test_an_interrupted_pass_goes_on),
		BOTH(test_a_damaged_memory_counts_as_none),
		BOTH(test_a_memory_that_cannot_be_kept),
		BOTH(test_the_next_backup_stores_again_what_is_damaged),
		cmocka_unit_test_setup_teardown(test_a_repository_that_vanishes, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_write_only_key, runs_setup_local, runs_teardown),
	};

	return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
