/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt's event thread calls, and may do so once more after a callback was taken back. So each callback holds a
 * reference, which libvirt drops by drop() when it is done with it, and who drops the last one frees.
 */
#include "hypervisor/libvirt/run_watch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/err.h"
#include "hypervisor/libvirt/error.h"

enum { LIFECYCLE, RESTART, IO_ERROR, AGENT, CALLBACKS };

struct watch {
	virConnectPtr connection;
	char *name;
	int ended; /* eventfd */
	int callbacks[CALLBACKS];
	pthread_mutex_t lock; /* of all below */
	unsigned references;
	struct run_state state;
	bool killed;
	void (*changed)(void *arg); /* called with the lock held, so that it is over when watch_stop() returns */
	void *arg;
};

/* ---- references ---- */

static void drop(void *arg)
{
	struct watch *watch = arg;
	pthread_mutex_lock(&watch->lock);
	bool last = --watch->references == 0;
	pthread_mutex_unlock(&watch->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&watch->lock);
	if (watch->ended >= 0)
		close(watch->ended);
	free(watch->name);
	free(watch);
}

/* ---- events ---- */

/* With a connection of several machines each watch hears of all. */
static struct watch *begin(void *arg, virDomainPtr domain)
{
	struct watch *watch = arg;
	const char *name = virDomainGetName(domain);
	if (!name || strcmp(name, watch->name) != 0)
		return NULL;
	pthread_mutex_lock(&watch->lock);
	return watch;
}

static void end(struct watch *watch)
{
	if (watch->changed)
		watch->changed(watch->arg);
	pthread_mutex_unlock(&watch->lock);
}

static enum run_end end_of(const struct watch *watch, int detail)
{
	if (watch->killed)
		return RUN_KILLED;
	if (detail == VIR_DOMAIN_EVENT_STOPPED_FAILED)
		return RUN_BROKE;
	return detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED ? RUN_CRASHED : RUN_POWERED_OFF;
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *arg)
{
	(void)connection;
	struct watch *watch = begin(arg, domain);
	if (!watch)
		return 0;
	if (event == VIR_DOMAIN_EVENT_CRASHED)
		watch->state.panicked = true;
	if (event == VIR_DOMAIN_EVENT_STOPPED) {
		watch->state.end = end_of(watch, detail);
		eventfd_write(watch->ended, 1);
	}
	end(watch);
	return 0;
}

static void on_restart(virConnectPtr connection, virDomainPtr domain, void *arg)
{
	(void)connection;
	struct watch *watch = begin(arg, domain);
	if (!watch)
		return;
	watch->state.restarts++;
	watch->state.agent = false;
	end(watch);
}

static void on_io_error(virConnectPtr connection, virDomainPtr domain, const char *path, const char *device, int action,
			const char *reason, void *arg)
{
	(void)connection;
	(void)path;
	(void)device;
	struct watch *watch = begin(arg, domain);
	if (!watch)
		return;
	if (action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE && reason && strcmp(reason, "enospc") == 0)
		watch->state.no_space = true;
	end(watch);
}

static void on_agent(virConnectPtr connection, virDomainPtr domain, int state, int reason, void *arg)
{
	(void)connection;
	(void)reason;
	struct watch *watch = begin(arg, domain);
	if (!watch)
		return;
	watch->state.agent = state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED;
	end(watch);
}

/* ---- start and stop ---- */

static bool subscribe(struct watch *watch, struct err **errp)
{
	static const struct {
		int event;
		virConnectDomainEventGenericCallback call;
	} wanted[CALLBACKS] = {
		[LIFECYCLE] = {VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_lifecycle)},
		[RESTART] = {VIR_DOMAIN_EVENT_ID_REBOOT, VIR_DOMAIN_EVENT_CALLBACK(on_restart)},
		[IO_ERROR] = {VIR_DOMAIN_EVENT_ID_IO_ERROR_REASON, VIR_DOMAIN_EVENT_CALLBACK(on_io_error)},
		[AGENT] = {VIR_DOMAIN_EVENT_ID_AGENT_LIFECYCLE, VIR_DOMAIN_EVENT_CALLBACK(on_agent)},
	};
	for (size_t i = 0; i < CALLBACKS; i++) {
		pthread_mutex_lock(&watch->lock);
		watch->references++;
		pthread_mutex_unlock(&watch->lock);
		watch->callbacks[i] = virConnectDomainEventRegisterAny(watch->connection, NULL, wanted[i].event,
								       wanted[i].call, watch, drop);
		if (watch->callbacks[i] < 0) {
			err_from_virt(errp, "watch the machine");
			drop(watch);
			return false;
		}
	}
	return true;
}

static struct watch *watch_new(virConnectPtr connection, const char *name, struct err **errp)
{
	struct watch *watch = malloc(sizeof(*watch));
	char *copy = strdup(name);
	if (!watch || !copy) {
		free(watch);
		free(copy);
		err_set_no_memory(errp);
		return NULL;
	}
	*watch = (struct watch){.connection = connection,
				.name = copy,
				.ended = eventfd(0, EFD_CLOEXEC),
				.callbacks = {-1, -1, -1, -1},
				.lock = PTHREAD_MUTEX_INITIALIZER,
				.references = 1};
	if (watch->ended >= 0)
		return watch;
	err_set_errno(errp, errno, "watch the machine");
	drop(watch);
	return NULL;
}

struct watch *watch_start(virConnectPtr connection, const char *name, void (*changed)(void *arg), void *arg,
			  struct err **errp)
{
	struct watch *watch = watch_new(connection, name, errp);
	if (!watch)
		return NULL;
	watch->changed = changed;
	watch->arg = arg;
	if (subscribe(watch, errp))
		return watch;
	watch_stop(watch);
	return NULL;
}

int watch_ended_fd(const struct watch *watch)
{
	return watch->ended;
}

void watch_look(struct watch *watch, struct run_state *ret)
{
	pthread_mutex_lock(&watch->lock);
	*ret = watch->state;
	pthread_mutex_unlock(&watch->lock);
}

void watch_note_killed(struct watch *watch)
{
	pthread_mutex_lock(&watch->lock);
	watch->killed = true;
	pthread_mutex_unlock(&watch->lock);
}

void watch_stop(struct watch *watch)
{
	if (!watch)
		return;
	pthread_mutex_lock(&watch->lock);
	watch->changed = NULL;
	pthread_mutex_unlock(&watch->lock);
	for (size_t i = 0; i < CALLBACKS; i++) {
		if (watch->callbacks[i] >= 0)
			virConnectDomainEventDeregisterAny(watch->connection, watch->callbacks[i]);
	}
	drop(watch);
}
