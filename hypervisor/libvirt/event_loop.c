/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/event_loop.h"

#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <unistd.h>

#include "base/err.h"
#include "base/thread.h"
#include "hypervisor/libvirt/error.h"

enum { FAILURE_PAUSE_US = 100000 };

/* libvirt has one event loop a process, so whether it runs is a fact of the process too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool running;

/* libvirt prints every error unless told otherwise; ours reach the user once, by their way. */
static void keep_quiet(void *arg, virErrorPtr error)
{
	(void)arg;
	(void)error;
}

static void *run_events(void *arg)
{
	for (;;) {
		if (virEventRunDefaultImpl() < 0)
			usleep(FAILURE_PAUSE_US); /* poll() lacked memory: later it may not */
	}
	return arg;
}

static bool start_locked(struct err **errp)
{
	pthread_t thread;
	virSetErrorFunc(NULL, keep_quiet);
	if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0)
		return err_from_virt(errp, "cannot start libvirt's client");
	if (!thread_start(&thread, "libvirt-events", run_events, NULL, errp))
		return false;
	pthread_detach(thread);
	running = true;
	return true;
}

bool event_loop_start(struct err **errp)
{
	pthread_mutex_lock(&lock);
	bool ok = running || start_locked(errp);
	pthread_mutex_unlock(&lock);
	return ok;
}
