/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's file systems, held still through its agent for the instant of the cut. */
#pragma once

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/cancel.h"
#include "base/compiler.h"
#include "hypervisor/libvirt/domain_xml.h"
#include "hypervisor/libvirt/guard.h"

struct freeze {
	virDomainPtr domain; /* NULL: nothing was asked of the guest, or all that is left is the guard's to do */
	bool frozen;	     /* all file systems stand still; behind freeze_end(): they stood still throughout */
	int file_systems;    /* how many the agent froze */
	char *note;	     /* why not, one sentence; NULL when frozen, or not asked for */
	struct guard *guard;
	bool thawing; /* the thread below runs */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop_changed;
	bool stop;
};

struct freeze_request {
	const struct domain_xml *xml;
	unsigned timeout_s; /* 0: do not freeze */
	const struct cancel *cancel;
};

/* Returns in about timeout_s at most, and soon when it is cancelled. Failure to freeze is no error, it is noted. */
void freeze_begin(struct freeze *freeze, virDomainPtr domain, struct guard *guard,
		  const struct freeze_request *request);
/* Thaws at once. A guest that does not answer is asked again until freeze_release(), and by the guard thereafter. */
void freeze_end(struct freeze *freeze);
void freeze_release(struct freeze *freeze);
