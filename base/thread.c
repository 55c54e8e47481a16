/* SPDX-License-Identifier: Apache-2.0 */
#include "base/thread.h"

#include <signal.h>
#include <stdio.h>

#include "base/err.h"

enum { NAME_SIZE = 16 };

bool thread_start(pthread_t *ret_thread, const char *name, void *(*run)(void *arg), void *arg, struct err **errp)
{
	sigset_t deaf, before;
	sigemptyset(&deaf);
	sigaddset(&deaf, SIGINT);
	sigaddset(&deaf, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &deaf, &before); /* a thread inherits the mask */
	pthread_t thread;
	int failure = pthread_create(&thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failure != 0)
		return err_set_errno(errp, failure, "cannot start thread '%s'", name);
	char short_name[NAME_SIZE];
	snprintf(short_name, sizeof(short_name), "%.*s", NAME_SIZE - 1, name);
	pthread_setname_np(thread, short_name);
	*ret_thread = thread;
	return true;
}
