/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What salvor-vmm can still do once a guest runs: next to nothing. Everything is opened first, then the process
 * is jailed (own user, own namespaces, an empty root, limits, no descriptor but those it needs, no new
 * privileges), and each thread may make the system calls of its role alone, ioctls by their number. A call that
 * is not of the role ends the process, with a line on standard error that names thread and call.
 *
 *	open all ──► jail_enter() ──► threads, jail_thread() first of all in each ──► jail_thread(JAIL_MAIN)
 *
 * There is no namespace for process ids: KVM serves a machine to the one process alone that made it, and only a
 * child would be in such a namespace. Without it, no role has a system call that reaches another process.
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
	/* Folders that the empty root has, too, at the same absolute path and read-only: of the sockets that are
	 * connected to again when their server was away. Where there is one, JAIL_DISK may make and connect UNIX
	 * sockets. */
	const char *const *folders;
	size_t n_folders;
	bool off; /* --no-jail: for debuggers and sanitizers, said in the log */
};

/* Called once, before the first thread. After it the process can open nothing. ERR_UNSUPPORTED where the host does not
 * let this user make namespaces: the message says what is missing. */
NODISCARD bool jail_enter(const struct jail_options *options, struct err **errp);
/* The calling thread is held to its role from now on. Does nothing where the jail is off, or was never entered. */
NODISCARD bool jail_thread(enum jail_role role, struct err **errp);
