/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pool.h"

#include <signal.h>
#include <stdatomic.h>

#include "base/cancel.h"
#include "base/err.h"
#include "base/queue.h"
#include "tests/unit.h"

enum { THREADS = 4 };

struct work {
	struct queue *queue;
	atomic_uint runs, failures_told, order;
};

static bool count(void *arg, struct err **errp)
{
	(void)errp;
	struct work *work = arg;
	atomic_fetch_add(&work->runs, 1);
	return true;
}

static void every_thread_runs_once(void **state)
{
	(void)state;
	struct work work = {0};
	AUTO(err_freep) struct err *err = NULL;
	struct pool *pool = pool_start("a name far longer than fifteen", THREADS, count, NULL, &work, &err);
	assert_true(pool_join(pool, &err));
	assert_int_equal(work.runs, THREADS);
	assert_true(pool_join(NULL, &err));
}

static bool fail_in_turn(void *arg, struct err **errp)
{
	struct work *work = arg;
	/* The first fails on its own; the others wait in the queue until that closes it, and fail as its echo. */
	if (atomic_fetch_add(&work->order, 1) == 0)
		return err_set(errp, ERR_NO_SPACE, "the first");
	queue_take(work->queue);
	return err_set(errp, ERR_CANCELLED, "an echo");
}

static void tell(void *arg)
{
	struct work *work = arg;
	atomic_fetch_add(&work->failures_told, 1);
	queue_close(work->queue);
}

static void the_first_error_is_kept_and_told_once(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(queue_freep) struct queue *queue = queue_new(1, &err);
	struct work work = {.queue = queue};
	struct pool *pool = pool_start("fail", THREADS, fail_in_turn, tell, &work, &err);
	assert_non_null(pool);
	assert_false(pool_join(pool, &err));
	assert_string_equal(err_message(err), "the first");
	assert_int_equal(err_code(err), ERR_NO_SPACE);
	assert_int_equal(work.failures_told, 1);
}

static bool is_deaf(void *arg, struct err **errp)
{
	(void)arg;
	sigset_t blocked;
	pthread_sigmask(SIG_BLOCK, NULL, &blocked);
	return (sigismember(&blocked, SIGINT) && sigismember(&blocked, SIGTERM)) ||
	       err_set(errp, ERR_FAILED, "listens");
}

static void signals_go_to_the_main_thread(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	assert_true(pool_join(pool_start("deaf", 1, is_deaf, NULL, NULL, &err), &err));
	assert_true(pool_processors() >= 1);
}

static void signals_request_the_cancelling(void **state)
{
	(void)state;
	static struct cancel cancel;
	AUTO(err_freep) struct err *err = NULL;
	assert_true(cancel_on_signals(&cancel, &err));
	assert_true(cancel_check(&cancel, &err));
	raise(SIGTERM);
	assert_true(cancel_requested(&cancel));
	assert_false(cancel_check(&cancel, &err));
	assert_int_equal(err_code(err), ERR_CANCELLED);
	raise(SIGTERM); /* again, and the process lives */
	raise(SIGINT);
	struct sigaction action;
	sigaction(SIGINT, NULL, &action);
	assert_true(action.sa_handler == SIG_DFL); /* so a second one kills */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_thread_runs_once),
		cmocka_unit_test(the_first_error_is_kept_and_told_once),
		cmocka_unit_test(signals_go_to_the_main_thread),
		cmocka_unit_test(signals_request_the_cancelling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
