/* SPDX-License-Identifier: Apache-2.0 */
/* Workers: they call when something can be read, and parked they do not. */
#include "hypervisor/thin/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/unit.h"

static atomic_int failures; /* so often the host has no memory */

int __wrap_epoll_ctl(int epoll, int change, int fd, struct epoll_event *event);
int __real_epoll_ctl(int epoll, int change, int fd, struct epoll_event *event);

int __wrap_epoll_ctl(int epoll, int change, int fd, struct epoll_event *event)
{
	if (atomic_load(&failures) == 0)
		return __real_epoll_ctl(epoll, change, fd, event);
	atomic_fetch_sub(&failures, 1);
	errno = ENOMEM;
	return -1;
}

struct bell {
	int in, out; /* each ring at in is passed on to out */
	atomic_int calls;
	struct worker *worker;
	bool stop_listening;
};

static void ring(int fd)
{
	assert_int_equal(write(fd, &(uint64_t){1}, 8), 8);
}

static uint64_t take(int fd)
{
	uint64_t count = 0;
	assert_int_equal(read(fd, &count, 8), 8);
	return count;
}

static bool is_rung(int fd)
{
	struct pollfd ready = {.fd = fd, .events = POLLIN};
	return poll(&ready, 1, 0) == 1;
}

static void pass_on(void *arg)
{
	struct bell *bell = arg;
	take(bell->in);
	atomic_fetch_add(&bell->calls, 1);
	if (bell->stop_listening)
		worker_listen(bell->worker, bell->in, 0);
	ring(bell->out);
}

static void open_bell(struct bell *bell, struct worker *worker)
{
	AUTO(err_freep) struct err *err = NULL;
	*bell = (struct bell){.in = eventfd(0, 0), .out = eventfd(0, 0), .worker = worker};
	assert_true(worker_watch(worker, bell->in, pass_on, bell, &err));
}

static void close_bell(struct bell *bell)
{
	close(bell->in);
	close(bell->out);
}

static struct worker *new_worker(void)
{
	AUTO(err_freep) struct err *err = NULL;
	struct worker *worker = worker_new("a worker of a long name", JAIL_SLOW, &err);
	assert_non_null(worker);
	return worker;
}

static void it_calls_for_each_descriptor(void **state)
{
	AUTO(worker_freep) struct worker *worker = new_worker();
	struct bell first, second;
	(void)state;
	open_bell(&first, worker);
	open_bell(&second, worker);
	worker_go_on(worker);
	ring(second.in);
	take(second.out);
	ring(first.in);
	take(first.out);
	assert_int_equal(atomic_load(&second.calls), 1);
	worker_free(STEAL(&worker));
	close_bell(&first);
	close_bell(&second);
}

static void parked_it_calls_nobody(void **state)
{
	AUTO(worker_freep) struct worker *worker = new_worker();
	struct bell bell, barrier;
	(void)state;
	open_bell(&bell, worker);
	ring(bell.in); /* new it is parked */
	worker_park(worker);
	worker_park(worker);
	assert_false(is_rung(bell.out));
	worker_go_on(worker);
	take(bell.out);
	worker_park(worker);
	ring(bell.in);
	open_bell(&barrier, worker);
	assert_false(is_rung(bell.out));
	worker_go_on(worker);
	worker_go_on(worker);
	ring(barrier.in);
	take(barrier.out);
	take(bell.out);
	assert_int_equal(atomic_load(&bell.calls), 2);
	worker_free(STEAL(&worker));
	close_bell(&bell);
	close_bell(&barrier);
}

static void it_stops_listening_and_begins_again(void **state)
{
	AUTO(worker_freep) struct worker *worker = new_worker();
	struct bell bell, barrier;
	(void)state;
	open_bell(&bell, worker);
	open_bell(&barrier, worker);
	bell.stop_listening = true;
	worker_go_on(worker);
	ring(bell.in);
	take(bell.out);
	ring(bell.in);
	ring(barrier.in);
	take(barrier.out);
	ring(barrier.in);
	take(barrier.out);
	assert_int_equal(atomic_load(&bell.calls), 1);
	worker_park(worker);
	worker_listen(worker, bell.in, WORKER_CAN_READ);
	worker_listen(worker, bell.in, WORKER_CAN_READ);
	worker_go_on(worker);
	take(bell.out);
	assert_int_equal(atomic_load(&bell.calls), 2);
	worker_free(STEAL(&worker));
	close_bell(&bell);
	close_bell(&barrier);
}

static void without_memory_it_listens_later(void **state)
{
	AUTO(worker_freep) struct worker *worker = new_worker();
	struct bell bell;
	(void)state;
	open_bell(&bell, worker);
	worker_listen(worker, bell.in, 0);
	atomic_store(&failures, 3);
	worker_listen(worker, bell.in, WORKER_CAN_READ);
	ring(bell.in);
	worker_go_on(worker);
	take(bell.out);
	assert_int_equal(atomic_load(&failures), 0);
	worker_free(STEAL(&worker));
	close_bell(&bell);
}

static void it_calls_for_what_can_be_written(void **state)
{
	AUTO(worker_freep) struct worker *worker = new_worker();
	struct bell bell;
	(void)state;
	open_bell(&bell, worker);
	bell.stop_listening = true;
	assert_int_equal(write(bell.in, &(uint64_t){UINT64_MAX - 1}, 8), 8); /* full, and waited for by no reader */
	worker_listen(worker, bell.in, WORKER_CAN_WRITE);
	worker_go_on(worker);
	assert_false(is_rung(bell.out));
	take(bell.in);
	ring(bell.in);
	take(bell.out);
	worker_free(STEAL(&worker));
	close_bell(&bell);
}

/* A bell that is always rung again, so that the worker is never idle. */
static void ring_again(void *arg)
{
	struct bell *bell = arg;
	take(bell->in);
	atomic_fetch_add(&bell->calls, 1);
	ring(bell->in);
}

static void a_busy_one_parks_between_two_calls(void **state)
{
	AUTO(worker_freep) struct worker *worker = new_worker();
	AUTO(err_freep) struct err *err = NULL;
	struct bell bell = {.in = eventfd(1, 0), .out = -1, .worker = worker};
	(void)state;
	assert_true(worker_watch(worker, bell.in, ring_again, &bell, &err));
	for (int i = 0; i < 300; i++) {
		worker_go_on(worker);
		worker_park(worker);
		int calls = atomic_load(&bell.calls);
		assert_true(is_rung(bell.in));
		assert_int_equal(atomic_load(&bell.calls), calls);
	}
	worker_go_on(worker);
	worker_free(STEAL(&worker)); /* while it is busy */
	close(bell.in);
}

static void a_descriptor_that_cannot_be_waited_for_is_an_error(void **state)
{
	AUTO(worker_freep) struct worker *worker = new_worker();
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	assert_false(worker_watch(worker, -1, pass_on, NULL, &err));
	assert_non_null(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_calls_for_each_descriptor),
		cmocka_unit_test(parked_it_calls_nobody),
		cmocka_unit_test(it_stops_listening_and_begins_again),
		cmocka_unit_test(without_memory_it_listens_later),
		cmocka_unit_test(it_calls_for_what_can_be_written),
		cmocka_unit_test(a_busy_one_parks_between_two_calls),
		cmocka_unit_test(a_descriptor_that_cannot_be_waited_for_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
