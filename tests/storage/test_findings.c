/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/findings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "tests/storage/runs.h"
#include "tests/unit.h"

#define POINTS 3

/* A report of a pass that found one damaged object, by which one point is hurt. */
struct pass {
	struct session_id sessions[POINTS];
	struct scrub_damage damage;
	struct scrub_pair pair;
	struct scrub_point point;
	struct scrub_report report;
};

static void make_pass(struct pass *pass, size_t hurt, enum scrub_level level, enum judgement judgement)
{
	*pass = (struct pass){.damage = {.object = "p/object", .reason = "is damaged", .level = level, .n_points = 1},
			      .pair = {.certain = judgement == POINT_HURT}};
	for (size_t i = 0; i < POINTS; i++)
		pass->sessions[i].number = i + 1;
	pass->point.session = pass->sessions[hurt];
	pass->point.judgement = pass->point.by_level[level].judgement = judgement;
	pass->point.by_level[level].streams[0] = 2;
	pass->damage.points = &pass->pair;
	pass->report =
		(struct scrub_report){.damaged = &pass->damage, .n_damaged = 1, .hurt = &pass->point, .n_hurt = 1};
}

static void update(struct findings *findings, const struct pass *pass, enum scrub_level level)
{
	AUTO(err_freep) struct err *err = NULL;

	assert_true(findings_update(findings, &pass->report, level, pass->sessions, POINTS, &err));
}

static void must_be(const struct findings *findings, uint64_t number, bool scrubbed, enum judgement judgement,
		    enum scrub_level level)
{
	struct session_id session = {.number = number};
	struct findings_verdict verdict;

	findings_judge(findings, &session, &verdict);
	assert_int_equal(verdict.scrubbed, scrubbed);
	assert_int_equal(verdict.judgement, judgement);
	assert_int_equal(verdict.level, level);
	assert_int_equal(verdict.when_ns != 0, scrubbed);
	assert_int_equal(verdict.streams[0], judgement == POINT_WHOLE ? 0 : 2);
}

static void count(void *arg, const struct finding *finding, enum scrub_level level, uint64_t found_ns)
{
	(void)level;
	assert_string_equal(finding->object, "p/object");
	assert_string_equal(finding->reason, "is damaged");
	assert_true(found_ns > 0);
	++*(size_t *)arg;
}

/* What a lesser pass cannot see it does not forget; one of the same level does. */
static void test_levels(void **state)
{
	AUTO(findings_release) struct findings findings = {0};
	const struct scrub_report whole = {0};
	struct pass pass;

	(void)state;
	assert_false(findings_any(&findings));
	must_be(&findings, 1, false, POINT_WHOLE, SCRUB_SIZES);
	make_pass(&pass, 1, SCRUB_CONTENTS, POINT_HURT);
	update(&findings, &pass, SCRUB_CONTENTS);
	must_be(&findings, 1, true, POINT_WHOLE, SCRUB_CONTENTS);
	must_be(&findings, 2, true, POINT_HURT, SCRUB_CONTENTS);
	must_be(&findings, POINTS + 1, false, POINT_WHOLE, SCRUB_SIZES);
	make_pass(&pass, 0, SCRUB_SIZES, POINT_MAY_BE_HURT);
	update(&findings, &pass, SCRUB_DIGESTS);
	must_be(&findings, 1, true, POINT_MAY_BE_HURT, SCRUB_SIZES);
	must_be(&findings, 2, true, POINT_HURT, SCRUB_CONTENTS);
	must_be(&findings, 3, true, POINT_WHOLE, SCRUB_CONTENTS);
	assert_int_equal(findings_damaged(&findings), 2);
	pass.report = whole;
	update(&findings, &pass, SCRUB_DIGESTS);
	must_be(&findings, 1, true, POINT_WHOLE, SCRUB_CONTENTS);
	must_be(&findings, 2, true, POINT_HURT, SCRUB_CONTENTS);
	update(&findings, &pass, SCRUB_CONTENTS);
	must_be(&findings, 2, true, POINT_WHOLE, SCRUB_CONTENTS);
	assert_int_equal(findings_damaged(&findings), 0);
}

static void test_the_file(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(findings_release) struct findings findings = {0}, loaded = {0};
	const struct session_id hurt = {.number = 2};
	struct pass pass;
	size_t n = 0;

	assert_true(findings_load(runs->repository, &loaded, &err));
	assert_false(findings_any(&loaded));
	make_pass(&pass, 1, SCRUB_DIGESTS, POINT_HURT);
	update(&findings, &pass, SCRUB_CONTENTS);
	assert_true(findings_save(runs->repository, &findings, &err));
	findings_release(&loaded);
	assert_true(findings_load(runs->repository, &loaded, &err));
	must_be(&loaded, 1, true, POINT_WHOLE, SCRUB_CONTENTS);
	must_be(&loaded, 2, true, POINT_HURT, SCRUB_DIGESTS);
	findings_each_object(&loaded, &hurt, count, &n);
	assert_int_equal(n, 1);
}

static void test_a_damaged_file_reads_as_none(void **state)
{
	struct runs *runs = *state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(findings_release) struct findings findings = {0}, loaded = {0};
	AUTO(bytes_release) struct bytes file = {0};
	struct pass pass;

	make_pass(&pass, 0, SCRUB_DIGESTS, POINT_HURT);
	update(&findings, &pass, SCRUB_DIGESTS);
	assert_true(findings_save(runs->repository, &findings, &err));
	AUTO(freep) char *path = file_join(repository_state_path(runs->repository), "scrub-findings");
	assert_true(file_read_all(path, 1 << 20, &file, &err));
	for (size_t i = 0; i < file.len; i++) {
		file.data[i] ^= 1;
		assert_true(file_replace(path, bytes_span(&file), 0600, &err));
		assert_true(findings_load(runs->repository, &loaded, &err));
		assert_false(findings_any(&loaded));
		file.data[i] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_levels),
		cmocka_unit_test_setup_teardown(test_the_file, runs_setup_local, runs_teardown),
		cmocka_unit_test_setup_teardown(test_a_damaged_file_reads_as_none, runs_setup_local, runs_teardown),
	};

	return cmocka_run_group_tests_name("findings", tests, NULL, NULL);
}
