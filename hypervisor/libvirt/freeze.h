/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's file systems, held still through its agent for the instant of the cut. */
#pragma once

#include <libvirt/libvirt.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "hypervisor/libvirt/domain_xml.h"
#include "hypervisor/libvirt/guard.h"

struct freeze {
	virDomainPtr domain; /* NULL: nothing was asked of the guest */
	bool frozen;	     /* all file systems stand still */
	char *note;	     /* why not, one sentence; NULL when frozen, or not asked for */
	struct guard *guard;
	bool thawing; /* the thread below runs */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t stop_changed;
	bool stop;
};

/* Returns in about timeout_s at most; 0: does nothing. Failure to freeze is no error, it is noted. */
void freeze_begin(struct freeze *freeze, virDomainPtr domain, const struct domain_xml *xml, struct guard *guard,
		  unsigned timeout_s);
/* Thaws at once. A guest that does not answer is asked again until freeze_release(), and by the guard thereafter. */
void freeze_end(struct freeze *freeze);
void freeze_release(struct freeze *freeze);
