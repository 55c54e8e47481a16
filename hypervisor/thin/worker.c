/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread waits in epoll, and an eventfd among its descriptors wakes it for a change of `wanted`.
 *
 *	 wanted    state        what the thread does
 *	 PARKED    PARKED       waits for another wish
 *	 RUNNING   PARKED       wakes up
 *	 RUNNING   RUNNING      waits for descriptors, calls
 *	 PARKED    RUNNING      ends the call it is in, and parks
 *	 ENDED     any          returns
 *
 * Both are under the lock. Watches are touched by the thread while it runs, and by others while it is parked: the lock
 * of the change between both orders them.
 *
 * A watch is late while epoll does not know what is wanted of it, since the host had no memory for that. It is tried
 * again before each wait, which then is no longer than RETRY_MS.
 */
#include "hypervisor/thin/worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "base/thread.h"

enum { EVENTS_AT_ONCE = 16, NAME_SIZE = 16, RETRY_MS = 100 };

/* epoll tells of a hang-up whatever is asked for. But a TAP interface that is deleted wakes only who waits for input of
 * some kind: this is one that never comes. */
#define HANG_UP ((uint32_t)EPOLLRDBAND)

enum state { BEGINNING, PARKED, RUNNING, ENDED };

struct watch {
	struct watch *next;
	int fd;
	unsigned wanted, known; /* WORKER_…: known to epoll */
	worker_function *call;
	void *arg;
};

struct worker {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum state wanted, state;
	atomic_bool interrupted; /* wanted is not RUNNING: looked at between two calls, without the lock */
	struct err *failure;	 /* of the beginning */
	char name[NAME_SIZE];
	enum jail_role role;
	pthread_t thread;
	bool has_thread;
	int epoll, wake;
	struct watch *watches;
	bool late, lateness_told;
	bool hung_up; /* the descriptor whose function is called */
};

static void set_state(struct worker *worker, enum state state)
{
	pthread_mutex_lock(&worker->lock);
	worker->state = state;
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

/* Until another state is wanted than to be parked. Returns it. */
static enum state stay_parked(struct worker *worker)
{
	pthread_mutex_lock(&worker->lock);
	worker->state = PARKED;
	pthread_cond_broadcast(&worker->changed);
	while (worker->wanted == PARKED)
		pthread_cond_wait(&worker->changed, &worker->lock);
	enum state wanted = worker->wanted;
	worker->state = wanted;
	pthread_mutex_unlock(&worker->lock);
	return wanted;
}

static void drain_wake(struct worker *worker)
{
	uint64_t count;
	ssize_t n = read(worker->wake, &count, sizeof(count));
	assert(n == (ssize_t)sizeof(count) || errno == EAGAIN);
}

/* Taken out where nothing is wanted, and not just waited for nothing: epoll tells of a hang-up all the same, without
 * end.
 */
static bool tell_epoll(const struct worker *worker, struct watch *watch)
{
	struct epoll_event event = {.events = (watch->wanted & WORKER_CAN_READ ? EPOLLIN : 0U) |
					      (watch->wanted & WORKER_CAN_WRITE ? EPOLLOUT : 0U) |
					      (watch->wanted & WORKER_HUNG_UP ? HANG_UP : 0U),
				    .data.ptr = watch};
	int change = !watch->wanted ? EPOLL_CTL_DEL : !watch->known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (watch->wanted == watch->known)
		return true;
	if (epoll_ctl(worker->epoll, change, watch->fd, &event) != 0)
		return false;
	watch->known = watch->wanted;
	return true;
}

static bool is_no_memory(int errnum)
{
	return errnum == ENOMEM || errnum == ENOSPC;
}

/* One that has been closed since is nobody's any more. */
static void tell_epoll_again(struct worker *worker)
{
	worker->late = false;
	for (struct watch *watch = worker->watches; watch; watch = watch->next)
		if (!tell_epoll(worker, watch) && is_no_memory(errno))
			worker->late = true;
}

/* What is not called because of an interruption is still readable, and comes again. */
static void serve(struct worker *worker)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	if (worker->late)
		tell_epoll_again(worker);
	int n = epoll_wait(worker->epoll, events, EVENTS_AT_ONCE, worker->late ? RETRY_MS : -1);
	assert(n >= 0 || errno == EINTR);
	for (int i = 0; i < n && !atomic_load(&worker->interrupted); i++) {
		struct watch *watch = events[i].data.ptr;
		if (!watch || !watch->wanted)
			continue;
		worker->hung_up = events[i].events & (EPOLLHUP | EPOLLERR);
		watch->call(watch->arg);
	}
}

static void *run(void *arg)
{
	struct worker *worker = arg;
	pthread_setname_np(pthread_self(), worker->name); /* thread_start() asks /proc for it, which jail has none of */
	if (!jail_thread(worker->role, &worker->failure)) {
		set_state(worker, ENDED);
		return NULL;
	}
	while (stay_parked(worker) == RUNNING) {
		drain_wake(worker); /* of the wishes that were no change; `interrupted` tells of any that comes now */
		while (!atomic_load(&worker->interrupted))
			serve(worker);
	}
	return NULL;
}

static void want(struct worker *worker, enum state state)
{
	pthread_mutex_lock(&worker->lock);
	worker->wanted = state;
	atomic_store(&worker->interrupted, state != RUNNING);
	if (state != RUNNING) {
		ssize_t n = write(worker->wake, &(uint64_t){1}, sizeof(uint64_t));
		assert(n == (ssize_t)sizeof(uint64_t));
	}
	pthread_cond_broadcast(&worker->changed);
	pthread_mutex_unlock(&worker->lock);
}

/* Until the thread is in its first parking place, or could not be jailed. */
static bool wait_for_beginning(struct worker *worker, struct err **errp)
{
	pthread_mutex_lock(&worker->lock);
	while (worker->state == BEGINNING)
		pthread_cond_wait(&worker->changed, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
	return !worker->failure || err_move(errp, &worker->failure);
}

static bool open_descriptors(struct worker *worker, struct err **errp)
{
	worker->epoll = epoll_create1(EPOLL_CLOEXEC);
	worker->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	if (worker->epoll < 0 || worker->wake < 0 || epoll_ctl(worker->epoll, EPOLL_CTL_ADD, worker->wake, &event) != 0)
		return err_set_errno(errp, errno, "cannot set up the thread '%s'", worker->name);
	return true;
}

static struct worker *new_worker(const char *name, enum jail_role role)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	if (!worker)
		return NULL;
	pthread_mutex_init(&worker->lock, NULL);
	pthread_cond_init(&worker->changed, NULL);
	worker->wanted = PARKED;
	worker->interrupted = true;
	snprintf(worker->name, sizeof(worker->name), "%s", name);
	worker->role = role;
	worker->epoll = worker->wake = -1;
	return worker;
}

struct worker *worker_new(const char *name, enum jail_role role, struct err **errp)
{
	AUTO(worker_freep) struct worker *worker = new_worker(name, role);
	if (!worker) {
		err_set_no_memory(errp);
		return NULL;
	}
	if (!open_descriptors(worker, errp) || !thread_start(&worker->thread, worker->name, run, worker, errp))
		return NULL;
	worker->has_thread = true;
	return wait_for_beginning(worker, errp) ? STEAL(&worker) : NULL;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	if (worker->has_thread) {
		want(worker, ENDED);
		pthread_join(worker->thread, NULL);
	}
	for (struct watch *watch = worker->watches, *next; watch; watch = next) {
		next = watch->next;
		free(watch);
	}
	file_closep(&worker->epoll);
	file_closep(&worker->wake);
	pthread_cond_destroy(&worker->changed);
	pthread_mutex_destroy(&worker->lock);
	free(worker);
}

bool worker_watch(struct worker *worker, int fd, worker_function *call, void *arg, struct err **errp)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	if (!watch)
		return err_set_no_memory(errp);
	*watch = (struct watch){.next = worker->watches, .fd = fd, .wanted = WORKER_CAN_READ, .call = call, .arg = arg};
	if (!tell_epoll(worker, watch)) {
		err_set_errno(errp, errno, "the thread '%s' cannot wait for a descriptor", worker->name);
		free(watch);
		return false;
	}
	worker->watches = watch;
	return true;
}

void worker_listen(struct worker *worker, int fd, unsigned what)
{
	struct watch *watch = worker->watches;
	while (watch && watch->fd != fd)
		watch = watch->next;
	assert(watch);
	watch->wanted = what;
	if (tell_epoll(worker, watch))
		return;
	assert(is_no_memory(errno));
	worker->late = true;
	if (!worker->lateness_told)
		log_warning(
			"thread '%s': the host has no memory to wait for a descriptor: %s; tried again until it has",
			worker->name, strerrordesc_np(errno));
	worker->lateness_told = true;
}

bool worker_hung_up(const struct worker *worker)
{
	return worker->hung_up;
}

bool worker_shall_stop(const struct worker *worker)
{
	return atomic_load(&worker->interrupted);
}

void worker_park(struct worker *worker)
{
	assert(!pthread_equal(worker->thread, pthread_self()));
	want(worker, PARKED);
	pthread_mutex_lock(&worker->lock);
	while (worker->state != PARKED)
		pthread_cond_wait(&worker->changed, &worker->lock);
	pthread_mutex_unlock(&worker->lock);
}

void worker_go_on(struct worker *worker)
{
	want(worker, RUNNING);
}
