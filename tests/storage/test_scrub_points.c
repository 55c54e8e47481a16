/* SPDX-License-Identifier: Apache-2.0 */
/* What a scrub says of points: which are hurt, which are gone, and what is known of them. */
#include "storage/scrub.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/findings.h"
#include "tests/storage/scrubs.h"
#include "tests/unit.h"

/* Nobody but the writer's next point knows of it; runs that were cancelled committed nothing, and are no loss. */
static void test_a_point_that_was_deleted(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	session_free(runs_begin(runs));
	scrubs_make(runs, &a, &b);
	session_free(runs_begin(runs));
	scrubs_run(runs, &report);
	assert_int_equal(report.n_damaged, 0);
	scrub_report_release(&report);
	object_name_session('c', &a.session, name);
	assert_true(backend_remove(repository_backend(runs->repository), name, &err));
	for (enum scrub_level level = SCRUB_SIZES; level <= SCRUB_DIGESTS; level++) {
		scrubs_run_at(runs, level, &report);
		assert_int_equal(report.n_damaged, 1);
		const struct scrub_damage *gone = scrubs_find(&report, name);
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

	scrubs_make(runs, &a, &b);
	object_name_session('c', &a.session, name);
	scrubs_flip(runs, name, 60);
	scrubs_run(runs, &report);
	assert_int_equal(report.n_damaged, 1);
	const struct scrub_damage *damage = scrubs_find(&report, name);
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

/* Who reads follows trees, and needs no list. */
static void test_lost_list_is_damage_and_hurts_no_point(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char list[OBJECT_NAME_SIZE], pack[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_list(&a.session, 0, list);
	object_name_pack(PACK_CHUNKS, &a.session, 1, pack);
	assert_true(backend_remove(repository_backend(runs->repository), list, &err));
	scrubs_run(runs, &report);
	assert_non_null(scrubs_find(&report, list));
	assert_int_equal(report.n_damaged, 1);
	assert_int_equal(report.n_hurt, 0);
	assert_int_equal(report.whole_points, 2);
	scrub_report_release(&report);
	scrubs_flip(runs, pack, 5000); /* what no list tells of is opened all the same */
	scrubs_run_at(runs, SCRUB_CONTENTS, &report);
	scrubs_must_hurt(&report, pack, &a);
	assert_int_equal(report.n_damaged, 2);
	scrub_report_release(&report);
}

static void test_a_point_is_hurt_by_what_it_needs(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0};
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make_sharing(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &a.session, 1, name);
	scrubs_flip(runs, name, SCRUBS_LEN - 5000);
	scrubs_run(runs, &report);
	scrubs_must_hurt(&report, name, &a);
	assert_int_equal(report.whole_points, 1);
	assert_memory_equal(report.whole[0].id, b.id, POINT_ID_SIZE);
	scrub_report_release(&report);
	scrubs_flip(runs, name, 1000);
	scrubs_run(runs, &report);
	assert_int_equal(scrubs_find(&report, name)->n_hurt, 2);
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

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_META, &a.session, a.streams[0].top.at.seq, name);
	scrubs_flip(runs, name, 100);
	scrubs_run(runs, &report);
	scrubs_must_hurt(&report, name, &a);
	scrub_report_release(&report);
}

static void must_be_known(struct runs *runs, const struct point *point, bool scrubbed, enum judgement judgement)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(findings_release) struct findings findings = {0};
	struct findings_verdict verdict;

	assert_true(findings_load(runs->repository, &findings, &err));
	findings_judge(&findings, &point->session, &verdict);
	assert_int_equal(verdict.scrubbed, scrubbed);
	assert_int_equal(verdict.judgement, judgement);
}

/* Whoever lists points later knows. */
static void test_findings_are_remembered(void **state)
{
	struct runs *runs = *state;
	AUTO(point_release) struct point a = {0}, b = {0}, later = {0};
	AUTO(freep) uint8_t *plain = runs_bytes(5, SCRUBS_LEN);
	struct scrub_report report;
	char name[OBJECT_NAME_SIZE];

	scrubs_make(runs, &a, &b);
	object_name_pack(PACK_CHUNKS, &b.session, 1, name);
	scrubs_flip(runs, name, 1000);
	must_be_known(runs, &b, false, POINT_WHOLE);
	scrubs_run(runs, &report);
	scrub_report_release(&report);
	runs_back_up(runs, "web01", 9, plain, SCRUBS_LEN, &later);
	must_be_known(runs, &a, true, POINT_WHOLE);
	must_be_known(runs, &b, true, POINT_HURT);
	must_be_known(runs, &later, false, POINT_WHOLE);
	scrubs_run_at(runs, SCRUB_SIZES, &report); /* does not see it */
	scrub_report_release(&report);
	must_be_known(runs, &b, true, POINT_HURT);
	scrubs_flip(runs, name, 1000);
	scrubs_run(runs, &report);
	scrub_report_release(&report);
	must_be_known(runs, &b, true, POINT_WHOLE);
}

#define BOTH(test)                                                              \
	cmocka_unit_test_setup_teardown(test, runs_setup_local, runs_teardown), \
		cmocka_unit_test_setup_teardown(test, runs_setup_memory, runs_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_a_point_that_was_deleted),
		BOTH(test_what_is_known_of_a_damaged_commit),
		BOTH(test_lost_list_is_damage_and_hurts_no_point),
		BOTH(test_a_point_is_hurt_by_what_it_needs),
		BOTH(test_a_damaged_pack_of_nodes),
		BOTH(test_findings_are_remembered),
	};

	return cmocka_run_group_tests_name("scrub_points", tests, NULL, NULL);
}
