/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of running share. */
#pragma once

#include <libvirt/libvirt.h>
#include <pthread.h>

#include "hypervisor/libvirt/console.h"
#include "hypervisor/libvirt/run_folder.h"
#include "hypervisor/libvirt/run_guard.h"
#include "hypervisor/libvirt/run_watch.h"
#include "hypervisor/libvirt/supervisor.h"
#include "hypervisor/runner.h"

struct libvirt_runner {
	struct runner runner;
	struct run_folder folder;
	struct supervisor supervisor;
	pthread_mutex_t lock;	  /* of all below, and of preparing a machine */
	virConnectPtr connection; /* NULL until the first start, as the next */
	struct watch_board *board;
	unsigned machines; /* that were ever started: each has a number of its own */
};

struct run {
	struct libvirt_runner *runner;
	unsigned number;
	char *workload;
	struct machine_folder folder;
	struct run_watcher watcher;
	bool watched;
	struct console *console, *firmware; /* firmware: NULL where it is not watched */
	char *name;			    /* of the domain */
	struct watch *watch;
	struct run_guard *guard; /* NULL where it is not watched */
	virDomainPtr domain;
};

/* run_look.c, as in runner_ops. */
NODISCARD bool run_ping(struct run *run, int seconds);
NODISCARD bool run_take_picture(struct run *run, struct picture *ret, struct err **errp);
NODISCARD bool run_read_screen(struct run *run, struct bytes *ret, struct err **errp);
