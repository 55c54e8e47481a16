/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process that puts the guest in order when this one cannot: it knows what we owe the guest, and pays when we die,
 * or give it up. Without virsh there is none; then the next cut ends a job that was left over.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>

/* GUARD_RESUME: the guest writes, and should a full spill have paused it, it must run again once the job has ended. */
enum guard_debt { GUARD_THAW = 1, GUARD_JOB = 2, GUARD_RESUME = 4 };

struct guard {
	int socket; /* -1: none */
	pthread_mutex_t lock;
	unsigned debts; /* guarded by lock; the guard has a copy */
};

/* lock: nobody else cuts this workload before a job that is owed was ended, so the guard holds it too. */
void guard_start(struct guard *guard, virDomainPtr domain, int lock);
/* By any thread; debts are or-ed. */
void guard_owe(struct guard *guard, unsigned debts);
void guard_paid(struct guard *guard, unsigned debts);
bool guard_owes(struct guard *guard, enum guard_debt debt);
/* It was started; whether it finds virsh is not known. */
bool guard_is_there(const struct guard *guard);
/* It pays now, by a connection of its own. */
void guard_call(const struct guard *guard);
/* Returns when it is gone, but for one that has to pay. Also for one that is all zero but for socket = -1. */
void guard_end(struct guard *guard);
