/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches over the guest while its cut is open. Old data of overwritten blocks goes to the spill; if that gets too
 * large, or the guest pauses because it got full, the cut is broken: the job ends first, then the guest is resumed, and
 * its write goes through as if nothing had been.
 */
#pragma once

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/libvirt/guard.h"
#include "hypervisor/libvirt/place.h"

struct bell;
struct err;

struct spill {
	virDomainPtr domain;
	const struct place *place;
	struct guard *guard;
	const char *workload;
	uint64_t limit;
	bool watching;
	int events[2];	   /* callbacks at libvirt; -1: none */
	struct bell *bell; /* what they ring */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop, look; /* guarded by lock */
	char *broken;	 /* why the cut is no more, one sentence; guarded by lock */
};

/* The bytes that the spill may take: 0 becomes a tenth of the disks, at least 1 GiB, at most half of what is free. */
NODISCARD bool spill_limit(const struct place *place, uint64_t asked, uint64_t disks, uint64_t *ret, struct err **errp);
/* All are borrowed until spill_stop(). */
NODISCARD bool spill_watch(struct spill *spill, virDomainPtr domain, const struct place *place, struct guard *guard,
			   const char *workload, uint64_t limit, struct err **errp);
void spill_stop(struct spill *spill);
/* False with ERR_BUSY once the cut is broken. Looks for itself first, since a reader may notice before the watcher
 * does. */
NODISCARD bool spill_check(struct spill *spill, struct err **errp);
