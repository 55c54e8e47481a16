/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/scrub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/list.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

#define LEN ((size_t)3 << 20)

static void scrub_at(struct runs *runs, enum scrub_level level, struct scrub_report *ret)
{
	AUTO(err_freep) struct err *err = NULL;
	struct scrub_options options = {.level = level};

	*ret = (struct scrub_report){0};
	if (!scrub_run(runs->repository, &options, ret, &err))
		fail_msg("%s", err_message(err));
}

static void scrub(struct runs *runs, struct scrub_report *ret)
{
	scrub_at(runs, SCRUB_DIGESTS, ret);
}

static void flip(struct runs *runs, const char *name, size_t at)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes object = {0};

	assert_true(backend_get(repository_backend(runs->repository), name, 64 << 20, &object, &err));
	object.data[at % object.len] ^= 1;
	assert_true(backend_put(repository_backend(runs->repository), name, bytes_span(&object), &err));
}

static const struct scrub_damage *find(const struct scrub_report *report, const char *object)
{
	for (size_t i = 0; i < report->n_damaged; i++)
		if (strcmp(report->damaged[i].object, object) == 0)
			return &report->damaged[i];
	return NULL;
}

/* Two points that share nothing. */
static void make(struct runs *runs, struct point *a, struct point *b)
{
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	AUTO(freep) uint8_t *other = runs_bytes(2, LEN);

	runs_back_up(runs, "web01", 1, plain, LEN, a);
	runs_back_up(runs, "web02", 2, other, LEN, b);
}

static void must_hurt(const struct scrub_report *report, const char *object, const struct point *point)
{
	const struct scrub_damage *damage = find(report, object);

	if (!damage)
		fail_msg("%s is not named", object);
	assert_int_equal(damage->n_points, 1);
	assert_int_equal(damage->n_hurt, 1);
	assert_int_equal(damage->n_may_hurt, 0);
	const struct scrub_point *hurt = &report->hurt[damage->points[0].point];
	assert_memory_equal(hurt->id, point->id, POINT_ID_SIZE);
	assert_string_equal(hurt->workload, point->workload);
	assert_int_equal(hurt->judgement, POINT_HURT);
	assert_int_equal(hurt->streams[0], 1);
}

static void test_sound(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;

	make(runs, &a, &b);
	scrub(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	assert_true(report.bytes > 2 * LEN);
	assert_true(report.objects >= 2 + 2 + 2 + 2 + 2 + 2);
	scrub_report_release(&report);
}

static void test_every_byte_of_a_pack_counts(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	const size_t places[] = {0, 70, 100000, LEN - 5, LEN + 1000};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &b.session, 1, name);
	for (size_t i = 0; i < ARRAY_LENGTH(places); i++) {
		flip(runs, name, places[i]);
		scrub(runs, &report);
		must_hurt(&report, name, &b);
		assert_int_equal(report.n_damaged, 1);
		scrub_report_release(&report);
		flip(runs, name, places[i]);
	}
}

static void test_missing_packs(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char chunks[OBJECT_NAME_SIZE], nodes[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, chunks);
	object_name_pack(PACK_META, &b.session, b.streams[0].top.at.seq, nodes);
	assert_true(backend_remove(repository_backend(runs->repository), chunks, &err));
	assert_true(backend_remove(repository_backend(runs->repository), nodes, &err));
	scrub(runs, &report);
	must_hurt(&report, chunks, &a);
	must_hurt(&report, nodes, &b);
	scrub_report_release(&report);
}

static void test_small_objects(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char names[4][OBJECT_NAME_SIZE] = {"k/00000000"};

	make(runs, &a, &b);
	object_name_session('c', &a.session, names[1]);
	object_name_session('w', &a.session, names[2]);
	object_name_list(&a.session, 0, names[3]);
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		flip(runs, names[i], 60);
		scrub(runs, &report);
		if (!find(&report, names[i]))
			fail_msg("%s is not named", names[i]);
		scrub_report_release(&report);
		flip(runs, names[i], 60);
	}
}

/* Nobody but the writer's next point knows of it; runs that were cancelled committed nothing, and are no loss. */
static void test_a_point_that_was_deleted(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	session_free(runs_begin(runs));
	make(runs, &a, &b);
	session_free(runs_begin(runs));
	scrub(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	object_name_session('c', &a.session, name);
	assert_true(backend_remove(repository_backend(runs->repository), name, &err));
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_DIGESTS; level++) {
		scrub_at(runs, level, &report);
		assert_int_equal(report.n_damaged, 1);
		const struct scrub_damage *gone = find(&report, name);
		assert_non_null(gone);
		assert_non_null(strstr(gone->reason, "'owner', whose other points are of 'web02', has vanished"));
		assert_non_null(gone->lost);
		assert_false(gone->lost->unreadable);
		assert_int_equal(gone->lost->witness, WITNESS_NEXT_POINT);
		assert_int_equal(gone->lost->before_ns, b.cut_ns);
		assert_true(gone->lost->begun_ns > 0);
		assert_memory_equal(gone->lost->id, a.id, POINT_ID_SIZE);
		scrub_report_release(&report);
	}
}

static void test_what_is_known_of_a_damaged_commit(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_session('c', &a.session, name);
	flip(runs, name, 60);
	scrub(runs, &report);
	assert_int_equal(report.n_damaged, 1);
	const struct scrub_damage *damage = find(&report, name);
	assert_non_null(damage);
	assert_non_null(damage->lost);
	assert_true(damage->lost->unreadable);
	assert_true(damage->lost->begun_ns > 0);
	assert_int_equal(damage->lost->knowledge, WORKLOAD_OF_OTHERS);
	assert_string_equal(damage->lost->workload, "web02");
	AUTO(freep) char *text = lost_point_traces(runs->repository, damage->lost);
	assert_non_null(strstr(text, "session 1, begun at 20"));
	assert_non_null(strstr(text, "of the writer 'owner', whose other points are of 'web02'"));
	scrub_report_release(&report);
}

/* What a dead run left is no damage. */
static void test_unlisted_pack(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 77, name);
	assert_true(backend_put(repository_backend(runs->repository), name, SPAN_TEXT("rest"), &err));
	scrub(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
}

static void test_bad_sector_is_damage(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, name);
	runs_break(runs, name);
	scrub(runs, &report);
	must_hurt(&report, name, &a);
	scrub_report_release(&report);
}

/* Who reads follows trees, and needs no list. */
static void test_lost_list_is_damage_and_hurts_no_point(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char list[OBJECT_NAME_SIZE], pack[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_list(&a.session, 0, list);
	object_name_pack(PACK_CHUNKS, &a.session, 1, pack);
	assert_true(backend_remove(repository_backend(runs->repository), list, &err));
	scrub(runs, &report);
	assert_non_null(find(&report, list));
	assert_int_equal(report.n_damaged, 1);
	assert_int_equal(report.n_hurt, 0);
	assert_int_equal(report.whole_points, 2);
	scrub_report_release(&report);
	flip(runs, pack, 5000); /* what no list tells of is opened all the same */
	scrub_at(runs, SCRUB_CONTENTS, &report);
	must_hurt(&report, pack, &a);
	assert_int_equal(report.n_damaged, 2);
	scrub_report_release(&report);
}

/* Two points of the same pack: web02 needs its first half. */
static void make_sharing(struct runs *runs, struct point *a, struct point *b)
{
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);

	runs_back_up(runs, "web01", 1, plain, LEN, a);
	runs_back_up(runs, "web02", 2, plain, LEN / 2, b);
}

static void test_a_point_is_hurt_by_what_it_needs(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	make_sharing(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, name);
	flip(runs, name, LEN - 5000);
	scrub(runs, &report);
	must_hurt(&report, name, &a);
	assert_int_equal(report.whole_points, 1);
	assert_memory_equal(report.whole[0].id, b.id, POINT_ID_SIZE);
	scrub_report_release(&report);
	flip(runs, name, 1000);
	scrub(runs, &report);
	assert_int_equal(find(&report, name)->n_hurt, 2);
	assert_int_equal(report.whole_points, 0);
	scrub_report_release(&report);
}

/* Of a pack of nodes that is damaged, whoever has a key can tell which nodes still are what they must be. */
static void test_a_damaged_pack_of_nodes(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_pack(PACK_META, &a.session, a.streams[0].top.at.seq, name);
	flip(runs, name, 100);
	scrub(runs, &report);
	must_hurt(&report, name, &a);
	scrub_report_release(&report);
}

struct meanwhile {
	struct runs *runs;
	uint64_t seed;
};

static void back_up_meanwhile(void *arg)
{
	struct meanwhile *meanwhile = arg;
	AUTO(freep) uint8_t *plain = runs_bytes(++meanwhile->seed, LEN);
	AUTO(point_release) struct point point = {0};

	runs_back_up(meanwhile->runs, "web03", meanwhile->seed, plain, LEN, &point);
}

/* A scrub takes hours, and backups go on. */
static void test_backup_meanwhile_is_no_damage(void **state)
{
	static const char *const prefixes[] = {"l/", "p/", "m/"};
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct meanwhile meanwhile = {.runs = runs, .seed = 10};
	struct scrub_report report;

	make(runs, &a, &b);
	for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++) {
		runs_behind_list(runs, prefixes[i], back_up_meanwhile, &meanwhile);
		scrub(runs, &report);
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

	make(runs, &a, &b);
	runs_on_read(runs, object_name_pack(PACK_CHUNKS, &a.session, 1, name), take_away, NULL);
	assert_false(scrub_run(runs->repository, &options, &report, &err));
	assert_int_equal(err_code(err), ERR_GONE);
	assert_non_null(strstr(err_message(err), "vanished"));
	assert_int_equal(rename("away", "repo"), 0);
	runs_calm(runs);
	scrub(runs, &report);
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
	make_sharing(&host, &a, &b);
	scrub(&host, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	object_name_pack(PACK_CHUNKS, &a.session, 1, name);
	flip(&host, name, LEN - 5000);
	scrub(&host, &report);
	assert_int_equal(report.n_hurt, 2);
	assert_int_equal(report.may_be_hurt, 2); /* it cannot look into the pack */
	assert_int_equal(find(&report, name)->n_may_hurt, 2);
	scrub_report_release(&report);
	AUTO(repository_freep) struct repository *again = runs_open("state");
	struct runs owner = {.repository = again};
	scrub(&owner, &report);
	must_hurt(&report, name, &a);
	scrub_report_release(&report);
}

static void test_levels(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &b.session, 1, name);
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_CONTENTS; level++) {
		scrub_at(runs, level, &report);
		assert_int_equal(report.n_damaged, 0);
		assert_true(report.bytes > 2 * LEN);
		scrub_report_release(&report);
	}
	flip(runs, name, 1000);
	scrub_at(runs, SCRUB_SIZES, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	scrub_at(runs, SCRUB_CONTENTS, &report);
	must_hurt(&report, name, &b);
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

	make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, missing);
	object_name_pack(PACK_CHUNKS, &b.session, 1, shorter);
	assert_true(backend_remove(repository_backend(runs->repository), missing, &err));
	assert_true(backend_put(repository_backend(runs->repository), shorter, SPAN_TEXT("short"), &err));
	scrub_at(runs, SCRUB_SIZES, &report);
	must_hurt(&report, missing, &a);
	must_hurt(&report, shorter, &b);
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

	make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &b.session, 1, name);
	flip(runs, name, LEN / 2);
	relist(runs, &b.session);
	scrub(runs, &report);
	assert_null(find(&report, name));
	scrub_report_release(&report);
	scrub_at(runs, SCRUB_CONTENTS, &report);
	must_hurt(&report, name, &b);
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

	make(runs, &a, &b);
	AUTO(freep) uint8_t *plain = runs_bytes(3, LEN);
	runs_back_up(runs, "web03", 3, plain, LEN, &c);
	object_name_pack(PACK_CHUNKS, &a.session, 1, first);
	object_name_session('c', &c.session, commit);
	interrupt(runs, commit);
	flip(runs, first, 5000); /* was found sound, and is not read again */
	scrub(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	assert_true(report.bytes_before > 3 * LEN);
	assert_true(report.bytes > 3 * LEN);
	scrub_report_release(&report);
	scrub(runs, &report); /* that pass was over */
	must_hurt(&report, first, &a);
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

	make(runs, &a, &b);
	object_name_session('c', &a.session, commit);
	interrupt(runs, commit);
	AUTO(freep) char *path = file_join(repository_state_path(runs->repository), "scrub-digests");
	AUTO(bytes_release) struct bytes memory = {0};
	assert_true(file_read_all(path, 1 << 20, &memory, &err));
	memory.data[memory.len / 2] ^= 1;
	assert_true(file_replace(path, bytes_span(&memory), 0600, &err));
	scrub(runs, &report);
	assert_int_equal(report.bytes_before, 0);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
}

/* What is damaged is not found by the next backup, which stores it again. */
static void test_the_next_backup_stores_again_what_is_damaged(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0}, again = {0}, more = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(1, LEN);
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, name);
	flip(runs, name, 5000);
	scrub(runs, &report);
	must_hurt(&report, name, &a);
	scrub_report_release(&report);
	runs_back_up(runs, "web01", 3, plain, LEN, &again);
	runs_check(runs, &again, plain, LEN);
	scrub(runs, &report);
	must_hurt(&report, name, &a);
	assert_int_equal(report.whole_points, 2);
	scrub_report_release(&report);
	flip(runs, name, 5000); /* an intact copy was put back */
	scrub(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	runs_back_up(runs, "web01", 4, plain, LEN, &more);
	runs_check(runs, &more, plain, LEN);
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
		BOTH(test_a_point_that_was_deleted),
		BOTH(test_what_is_known_of_a_damaged_commit),
		BOTH(test_unlisted_pack),
		BOTH(test_bad_sector_is_damage),
		BOTH(test_lost_list_is_damage_and_hurts_no_point),
		BOTH(test_a_point_is_hurt_by_what_it_needs),
		BOTH(test_a_damaged_pack_of_nodes),
		BOTH(test_backup_meanwhile_is_no_damage),
		BOTH(test_levels),
		BOTH(test_sizes_see_what_is_missing_or_short),
		BOTH(test_contents_open_every_chunk),
		BOTH(test_an_interrupted_pass_goes_on),
		BOTH(test_a_damaged_memory_counts_as_none),
		BOTH(test_the_next_backup_stores_again_what_is_damaged),
		cmocka_unit_test_setup_teardown(test_a_repository_that_vanishes, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_write_only_key, runs_setup_local, runs_teardown),
	};

	return cmocka_run_group_tests_name("scrub", tests, NULL, NULL);
}
