/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread for the slow side of devices. It sleeps until one of its descriptors can be read, and calls the function
 * that goes with it; so what is called by one worker never runs twice at a time.
 *
 *	new ──► (watch) ──► running ◄──► parked ──► free
 *
 * Parked means: between two calls, and none begins. All vCPUs and all workers parked is a machine's clean point, at
 * which the state of every device is whole and nothing is on its way.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"
#include "hypervisor/thin/jail.h"

struct err;
struct worker;

typedef void worker_function(void *arg);

/* The name is what `ps` shows of the thread, at most 15 bytes; role is what it may do from its first instruction on.
 * The thread is there at once, and parked. */
NODISCARD struct worker *worker_new(const char *name, enum jail_role role, struct err **errp);
/* fd is borrowed until worker_free(). The function reads it empty, or is called again. While parked, or in the worker.
 */
NODISCARD bool worker_watch(struct worker *worker, int fd, worker_function *call, void *arg, struct err **errp);
/* What to wait for of a descriptor. */
#define WORKER_CAN_READ 1U
#define WORKER_CAN_WRITE 2U
#define WORKER_HUNG_UP 4U /* its other side is gone: the two above are told of that, too */
/* Waits from now on for any of these, at first WORKER_CAN_READ, or with 0 for nothing, as with a full buffer. While
 * parked, or in the worker. Where the host has no memory for that it is told once in the log, and soon tried again. */
void worker_listen(struct worker *worker, int fd, unsigned what);
/* In a call: whether the other side of the call's descriptor is gone. */
bool worker_hung_up(const struct worker *worker);
/* It shall park, or end: for calls that have much to do, which then leave the rest for later. From any thread. */
bool worker_shall_stop(const struct worker *worker);
/* Blocks until it is parked. Parking twice is fine. Never called by a worker of itself. */
void worker_park(struct worker *worker);
void worker_go_on(struct worker *worker);
/* Ends and joins the thread. NULL is fine. */
void worker_free(struct worker *worker);
DEFINE_AUTO_FREE(struct worker, worker_free);
