/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libvirt's event thread calls, and may do so once more after a callback was taken back. So each callback holds a
 * reference to the board, which libvirt drops by drop() when it is done with it, and who drops the last one frees.
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

struct watch_board {
	virConnectPtr connection;
	int callbacks[CALLBACKS];
	pthread_mutex_t lock; /* of all below, and of the watches */
	unsigned references;
	struct watch *first;
};

struct watch {
	struct watch_board *board;
	struct watch *next;
	const char *name;
	int ended; /* eventfd */
	struct run_state state;
	void (*changed)(void *arg); /* called with the lock held, so that it is over when watch_stop() returns */
	void *arg;
};

/* ---- events ---- */

/* With the lock held, until end(). NULL, and no lock, for a machine that is not watched. */
static struct watch *begin(struct watch_board *board, virDomainPtr domain)
{
	const char *name = virDomainGetName(domain);
	pthread_mutex_lock(&board->lock);
	struct watch *watch = board->first;
	while (watch && (!name || strcmp(name, watch->name) != 0))
		watch = watch->next;
	if (!watch)
		pthread_mutex_unlock(&board->lock);
	return watch;
}

static void end(struct watch *watch)
{
	if (watch->changed)
		watch->changed(watch->arg);
	pthread_mutex_unlock(&watch->board->lock);
}

static enum run_end end_of(const struct watch *watch, int detail)
{
	if (watch->state.end == RUN_KILLED)
		return RUN_KILLED;
	if (detail == VIR_DOMAIN_EVENT_STOPPED_FAILED)
		return RUN_BROKE;
	return detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED ? RUN_CRASHED : RUN_POWERED_OFF;
}

static int on_lifecycle(virConnectPtr connection, virDomainPtr domain, int event, int detail, void *board)
{
	(void)connection;
	struct watch *watch = begin(board, domain);
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

static void on_restart(virConnectPtr connection, virDomainPtr domain, void *board)
{
	(void)connection;
	struct watch *watch = begin(board, domain);
	if (!watch)
		return;
	watch->state.restarts++;
	watch->state.agent = false;
	end(watch);
}

static void on_io_error(virConnectPtr connection, virDomainPtr domain, const char *path, const char *device, int action,
			const char *reason, void *board)
{
	(void)connection;
	(void)path;
	(void)device;
	struct watch *watch = begin(board, domain);
	if (!watch)
		return;
	if (action == VIR_DOMAIN_EVENT_IO_ERROR_PAUSE && reason && strcmp(reason, "enospc") == 0)
		watch->state.no_space = true;
	end(watch);
}

static void on_agent(virConnectPtr connection, virDomainPtr domain, int state, int reason, void *board)
{
	(void)connection;
	(void)reason;
	struct watch *watch = begin(board, domain);
	if (!watch)
		return;
	watch->state.agent = state == VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED;
	end(watch);
}

/* ---- the board ---- */

static void drop(void *arg)
{
	struct watch_board *board = arg;
	pthread_mutex_lock(&board->lock);
	bool last = --board->references == 0;
	pthread_mutex_unlock(&board->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&board->lock);
	free(board);
}

static bool subscribe(struct watch_board *board, struct err **errp)
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
		pthread_mutex_lock(&board->lock);
		board->references++;
		pthread_mutex_unlock(&board->lock);
		board->callbacks[i] = virConnectDomainEventRegisterAny(board->connection, NULL, wanted[i].event,
								       wanted[i].call, board, drop);
		if (board->callbacks[i] < 0) {
			err_from_virt(errp, "watch machines");
			drop(board);
			return false;
		}
	}
	return true;
}

struct watch_board *watch_board_open(virConnectPtr connection, struct err **errp)
{
	struct watch_board *board = malloc(sizeof(*board));
	if (!board) {
		err_set_no_memory(errp);
		return NULL;
	}
	*board = (struct watch_board){.connection = connection,
				      .callbacks = {-1, -1, -1, -1},
				      .lock = PTHREAD_MUTEX_INITIALIZER,
				      .references = 1};
	if (subscribe(board, errp))
		return board;
	watch_board_close(board);
	return NULL;
}

void watch_board_close(struct watch_board *board)
{
	if (!board)
		return;
	for (size_t i = 0; i < CALLBACKS; i++) {
		if (board->callbacks[i] >= 0)
			virConnectDomainEventDeregisterAny(board->connection, board->callbacks[i]);
	}
	drop(board);
}

/* ---- a watch ---- */

struct watch *watch_start(struct watch_board *board, const char *name, void (*changed)(void *arg), void *arg,
			  struct err **errp)
{
	struct watch *watch = malloc(sizeof(*watch));
	if (!watch) {
		err_set_no_memory(errp);
		return NULL;
	}
	*watch = (struct watch){
		.board = board, .name = name, .ended = eventfd(0, EFD_CLOEXEC), .changed = changed, .arg = arg};
	if (watch->ended < 0) {
		err_set_errno(errp, errno, "watch the machine");
		free(watch);
		return NULL;
	}
	pthread_mutex_lock(&board->lock);
	watch->next = board->first;
	board->first = watch;
	pthread_mutex_unlock(&board->lock);
	return watch;
}

int watch_ended_fd(const struct watch *watch)
{
	return watch->ended;
}

void watch_look(struct watch *watch, struct run_state *ret)
{
	pthread_mutex_lock(&watch->board->lock);
	*ret = watch->state;
	pthread_mutex_unlock(&watch->board->lock);
}

void watch_note_killed(struct watch *watch)
{
	pthread_mutex_lock(&watch->board->lock);
	watch->state.end = RUN_KILLED;
	end(watch);
}

void watch_stop(struct watch *watch)
{
	if (!watch)
		return;
	pthread_mutex_lock(&watch->board->lock);
	struct watch **place = &watch->board->first;
	while (*place != watch)
		place = &(*place)->next;
	*place = watch->next;
	pthread_mutex_unlock(&watch->board->lock);
	close(watch->ended);
	free(watch);
}
