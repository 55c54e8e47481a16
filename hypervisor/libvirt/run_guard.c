/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/run_guard.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/err.h"
#include "base/thread.h"
#include "hypervisor/libvirt/run_folder.h"

#define SECOND_NS UINT64_C(1000000000)

struct run_guard {
	const char *path;
	uint64_t end_ns;
	void (*killing)(void *arg);
	void *arg;
	pthread_t thread;
	pthread_mutex_t lock; /* of stop */
	pthread_cond_t wake;
	bool stop;
};

/* False when the guard is to stop before. */
static bool wait_for_end(struct run_guard *guard)
{
	const struct timespec end = {.tv_sec = (time_t)(guard->end_ns / SECOND_NS),
				     .tv_nsec = (long)(guard->end_ns % SECOND_NS)};
	int outcome = 0;
	pthread_mutex_lock(&guard->lock);
	while (!guard->stop && outcome == 0)
		outcome = pthread_cond_timedwait(&guard->wake, &guard->lock, &end);
	bool ended = !guard->stop;
	pthread_mutex_unlock(&guard->lock);
	return ended;
}

static void *keep_guard(void *arg)
{
	struct run_guard *guard = arg;
	if (wait_for_end(guard)) {
		guard->killing(guard->arg);
		machine_folder_kill(guard->path);
	}
	return NULL;
}

static void run_guard_free(struct run_guard *guard)
{
	pthread_cond_destroy(&guard->wake);
	pthread_mutex_destroy(&guard->lock);
	free(guard);
}

struct run_guard *run_guard_start(const char *path, uint64_t end_ns, void (*killing)(void *arg), void *arg,
				  struct err **errp)
{
	struct run_guard *guard = malloc(sizeof(*guard));
	pthread_condattr_t monotonic;
	if (!guard) {
		err_set_no_memory(errp);
		return NULL;
	}
	*guard = (struct run_guard){
		.path = path, .end_ns = end_ns, .killing = killing, .arg = arg, .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&guard->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (thread_start(&guard->thread, "run-guard", keep_guard, guard, errp))
		return guard;
	run_guard_free(guard);
	return NULL;
}

void run_guard_stop(struct run_guard *guard)
{
	if (!guard)
		return;
	pthread_mutex_lock(&guard->lock);
	guard->stop = true;
	pthread_cond_signal(&guard->wake);
	pthread_mutex_unlock(&guard->lock);
	pthread_join(guard->thread, NULL);
	run_guard_free(guard);
}
