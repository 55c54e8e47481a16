/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What salvor-vmm can still do once a guest runs: next to nothing. Everything is opened first, then the process is jailed
 * (own user, own namespaces, an empty root, limits, no descriptor but those it needs, no new privileges), and each thread may
 * make the system calls of its role alone, ioctls by their number.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/compiler.h"

struct err;

enum jail_role {
	JAIL_MAIN,    /* control socket, pausing, ending */
	JAIL_VCPU,    /* KVM_RUN and what exits need */
	JAIL_DISK,    /* reads and writes of one disk */
	JAIL_NETWORK, /* frames to and from one descriptor */
	JAIL_SLOW,    /* serial, console, random numbers */
};

struct jail_options {
	uid_t uid; /* who it becomes; 0: stays who it is, as for an ordinary user's own machine */
	gid_t gid;
	const int *keep; /* descriptors that stay open beside 0, 1 and 2, ascending */
	size_t n_keep;
	bool off; /* --no-jail: for debuggers and sanitizers, said in the log */
};

/* Called once, before the first thread. After it the process can open nothing. */
NODISCARD bool jail_enter(const struct jail_options *options, struct err **errp);
/* The calling thread is held to its role from now on. Does nothing where the jail is off. */
NODISCARD bool jail_thread(enum jail_role role, struct err **errp);
