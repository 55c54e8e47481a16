/* SPDX-License-Identifier: Apache-2.0 */
/* How many requests are in flight, when one is tried again, and how much may be moved. */
#include "storage/s3/retry.h"

#include <stdatomic.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/pool.h"
#include "storage/s3/gate.h"
#include "storage/s3/pace.h"
#include "tests/unit.h"

static void pass(struct s3_gate *gate, unsigned times)
{
	for (unsigned i = 0; i < times; i++) {
		s3_gate_enter(gate);
		s3_gate_leave(gate, S3_PASSED, 0);
	}
}

static void rounds_without_trouble_add_one(void **state)
{
	(void)state;
	struct s3_gate gate;
	s3_gate_init(&gate, NULL);
	const unsigned first = gate.limit;
	pass(&gate, first);
	assert_int_equal(gate.limit, first + 1);
	pass(&gate, 100000);
	assert_int_equal(gate.limit, 64);
	s3_gate_release(&gate);
}

/* Those that were in flight together count once. */
static void throttling_halves(void **state)
{
	(void)state;
	struct cancel cancel = {0};
	struct s3_gate gate;
	s3_gate_init(&gate, &cancel);
	cancel_request(&cancel); /* nobody waits for the moment to pass */
	const unsigned first = gate.limit;
	for (int i = 0; i < 3; i++)
		s3_gate_enter(&gate);
	for (int i = 0; i < 3; i++)
		s3_gate_leave(&gate, S3_THROTTLED, 0);
	assert_int_equal(gate.limit, first / 2);
	assert_true(gate.opens_ns > gate.throttled_ns);
	for (int i = 0; i < 10; i++) {
		gate.throttled_ns = 0;
		s3_gate_enter(&gate);
		s3_gate_leave(&gate, S3_THROTTLED, UINT64_C(3600) * 1000000000);
	}
	assert_int_equal(gate.limit, 1);
	assert_true(gate.opens_ns > clock_monotonic_ns() + UINT64_C(3000) * 1000000000);
	s3_gate_release(&gate);
}

struct crowd {
	struct s3_gate gate;
	atomic_uint inside, most;
};

static bool go_through(void *arg, struct err **errp)
{
	struct crowd *crowd = arg;
	(void)errp;
	for (int i = 0; i < 200; i++) {
		s3_gate_enter(&crowd->gate);
		unsigned inside = atomic_fetch_add(&crowd->inside, 1) + 1, most = atomic_load(&crowd->most);
		while (inside > most && !atomic_compare_exchange_weak(&crowd->most, &most, inside))
			;
		atomic_fetch_sub(&crowd->inside, 1);
		s3_gate_leave(&crowd->gate, S3_TROUBLED, 0);
	}
	return true;
}

static void no_more_than_the_limit_are_inside(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	struct crowd crowd = {0};
	s3_gate_init(&crowd.gate, NULL);
	crowd.gate.limit = 2;
	struct pool *pool = pool_start("crowd", 8, go_through, NULL, &crowd, &err);
	assert_non_null(pool);
	assert_true(pool_join(pool, &err));
	assert_in_range(crowd.most, 1, 2);
	assert_int_equal(crowd.gate.in_flight, 0);
	s3_gate_release(&crowd.gate);
}

static void tries_end(void **state)
{
	(void)state;
	struct cancel cancel = {0};
	struct s3_retry retry;
	unsigned tries = 0;
	s3_retry_init(&retry, UINT64_C(300) * 1000000, &cancel);
	while (s3_retry_wait(&retry))
		tries++;
	assert_in_range(tries, 0, 1000); /* full jitter: any number, but an end */
	s3_retry_init(&retry, UINT64_MAX, &cancel);
	cancel_request(&cancel);
	assert_false(s3_retry_wait(&retry));
}

/* As a large object over a slow uplink; but not for ever. */
static void a_long_try_is_followed_by_another(void **state)
{
	(void)state;
	const uint64_t second = 1000000000;
	struct s3_retry retry;
	unsigned tries = 0;
	s3_retry_init(&retry, 180 * second, NULL);
	for (retry.began_ns -= 215 * second; tries < 100 && s3_retry_wait(&retry); retry.began_ns -= 215 * second)
		tries++;
	assert_in_range(tries, 2, 4);
	s3_retry_init(&retry, 5 * second, NULL);
	retry.began_ns -= 10 * second;
	assert_false(s3_retry_wait(&retry));
}

static void a_rate_is_kept_in_small_pieces(void **state)
{
	(void)state;
	struct s3_pace pace;
	s3_pace_init(&pace, 0);
	assert_int_equal(s3_pace_piece(&pace, 1 << 20), 1 << 20);
	s3_pace_wait(&pace, SIZE_MAX); /* no limit, no wait */
	assert_int_equal(pace.free_at_ns, 0);
	s3_pace_release(&pace);
	s3_pace_init(&pace, 1 << 20);
	assert_in_range(s3_pace_piece(&pace, 1 << 20), 1, (1 << 20) / 10);
	const uint64_t before = clock_monotonic_ns();
	for (int i = 0; i < 10; i++)
		s3_pace_wait(&pace, 10 << 10);
	assert_true(clock_monotonic_ns() - before >= UINT64_C(97) * 1000000); /* 100 KiB at 1 MiB a second */
	s3_pace_release(&pace);
	s3_pace_init(&pace, 1);
	assert_int_equal(s3_pace_piece(&pace, 100), 1);
	s3_pace_release(&pace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rounds_without_trouble_add_one),    cmocka_unit_test(throttling_halves),
		cmocka_unit_test(no_more_than_the_limit_are_inside), cmocka_unit_test(tries_end),
		cmocka_unit_test(a_long_try_is_followed_by_another), cmocka_unit_test(a_rate_is_kept_in_small_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
