/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cancel.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#include "base/err.h"

/* A signal handler gets no argument, so what it sets has to be here. */
static struct cancel *_Atomic signalled;

void cancel_request(struct cancel *cancel)
{
	atomic_store(&cancel->requested, true);
}

bool cancel_requested(const struct cancel *cancel)
{
	return atomic_load(&cancel->requested);
}

bool cancel_check(const struct cancel *cancel, struct err **errp)
{
	return !cancel_requested(cancel) || err_set(errp, ERR_CANCELLED, "interrupted");
}

static void on_signal(int signal_number)
{
	(void)signal_number;
	cancel_request(atomic_load(&signalled));
}

bool cancel_on_signals(struct cancel *cancel, struct err **errp)
{
	atomic_store(&signalled, cancel);
	/* poll() and its kin end with EINTR in spite of SA_RESTART: that is where a waiting program looks at the flag.
	 */
	struct sigaction on_terminate = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sigaction on_interrupt = {.sa_handler = on_signal, .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};
	if (sigaction(SIGTERM, &on_terminate, NULL) < 0 || sigaction(SIGINT, &on_interrupt, NULL) < 0)
		return err_set_errno(errp, errno, "cannot catch SIGINT and SIGTERM");
	return true;
}
