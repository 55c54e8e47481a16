/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No guest may stay frozen.
 *
 *   idle ── freeze_begin ──► asked ── answered ──► frozen ── freeze_end ──► thawed
 *                              └── no answer in time: the agent may still freeze when it wakes up ──► thaw, until it
 * answers
 *
 * Neither libvirt nor the agent on Linux thaws on its own when their client dies. So before anything is asked, a guard
 * is forked, which waits for the end of a pipe: it becomes "virsh domfsthaw" when the pipe ends without the word that
 * all is well.
 */
#include "hypervisor/libvirt/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <libvirt/virterror.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/thread.h"
#include "hypervisor/libvirt/connect.h"

enum { THAW_TIMEOUT_S = 5, THAW_TRIES = 3, THAW_AGAIN_S = 1, EXEC_FAILED = 127 };

/* Runs in a forked copy of a process with threads: only what is safe in a signal handler. */
static _Noreturn void guard_run(int pipe_end, char *const argv[])
{
	char word;
	setsid();
	dup2(pipe_end, STDIN_FILENO);
	int nowhere = open("/dev/null", O_WRONLY);
	dup2(nowhere, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	if (TEMP_FAILURE_RETRY(read(STDIN_FILENO, &word, 1)) == 1)
		_exit(EXIT_SUCCESS);
	execvp(argv[0], argv);
	_exit(EXEC_FAILED);
}

/* Forked twice, so that init reaps it. Without a guard we go on: it only matters when we are killed in this very
 * moment. */
static int guard_start(virDomainPtr domain)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	AUTO(freep) char *uri = virConnectGetURI(virDomainGetConnect(domain));
	int ends[2];
	if (!uri || virDomainGetUUIDString(domain, uuid) < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	char *argv[] = {"virsh", "--quiet", "--connect", uri, "domfsthaw", uuid, NULL};
	pid_t pid = fork();
	if (pid == 0) {
		pid_t guard = fork();
		if (guard == 0)
			guard_run(ends[0], argv);
		_exit(guard < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return -1;
	}
	TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
	return ends[1];
}

/* The guest is thawed: the guard may go. A guard that died takes SIGPIPE with it, which nobody here wants. */
static void guard_dismiss(struct freeze *freeze)
{
	if (freeze->guard < 0)
		return;
	sigset_t pipe_only, before;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	if (write(freeze->guard, "", 1) < 0 && errno == EPIPE)
		sigtimedwait(&pipe_only, NULL, &(struct timespec){0});
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	file_closep(&freeze->guard);
}

static bool thaw_once(struct freeze *freeze)
{
	virDomainAgentSetResponseTimeout(freeze->domain, THAW_TIMEOUT_S, 0);
	bool thawed = virDomainFSThaw(freeze->domain, NULL, 0, 0) >= 0 || virDomainIsActive(freeze->domain) == 0;
	virDomainAgentSetResponseTimeout(freeze->domain, VIR_DOMAIN_AGENT_RESPONSE_TIMEOUT_BLOCK, 0);
	if (thawed)
		guard_dismiss(freeze);
	return thawed;
}

static bool wait_to_try_again(struct freeze *freeze)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += THAW_AGAIN_S;
	pthread_mutex_lock(&freeze->lock);
	while (!freeze->stop && pthread_cond_timedwait(&freeze->stop_changed, &freeze->lock, &until) == 0)
		continue;
	bool stop = freeze->stop;
	pthread_mutex_unlock(&freeze->lock);
	return !stop;
}

static void *thaw_until_it_answers(void *arg)
{
	struct freeze *freeze = arg;
	while (wait_to_try_again(freeze) && !thaw_once(freeze))
		continue;
	return NULL;
}

/* What libvirt said, as one sentence that goes into a point. */
static void note_failure(struct freeze *freeze, unsigned timeout_s)
{
	const virError *error = virGetLastError();
	if (error && error->code == VIR_ERR_AGENT_UNRESPONSIVE)
		freeze->note = file_format("the guest agent did not answer in %u s", timeout_s);
	else
		freeze->note = file_format("the guest agent could not freeze: %s",
					   error && error->message ? error->message : "no reason given");
}

void freeze_begin(struct freeze *freeze, virDomainPtr domain, const struct domain_xml *xml, unsigned timeout_s)
{
	*freeze = (struct freeze){
		.guard = -1, .lock = PTHREAD_MUTEX_INITIALIZER, .stop_changed = PTHREAD_COND_INITIALIZER};
	if (timeout_s == 0)
		return;
	if (!xml->agent_connected) {
		freeze->note = strdup(xml->agent_channel ? "no guest agent is running in the guest"
							 : "the guest has no channel for a guest agent");
		return;
	}
	freeze->domain = domain;
	freeze->guard = guard_start(domain);
	virDomainAgentSetResponseTimeout(domain, timeout_s > INT32_MAX ? INT32_MAX : (int)timeout_s, 0);
	freeze->frozen = virDomainFSFreeze(domain, NULL, 0, 0) >= 0;
	if (!freeze->frozen)
		note_failure(freeze, timeout_s);
}

void freeze_end(struct freeze *freeze)
{
	if (!freeze->domain)
		return;
	for (int i = 0; i < (freeze->frozen ? THAW_TRIES : 1); i++) {
		if (thaw_once(freeze))
			return;
	}
	struct err *err = NULL;
	freeze->thawing = thread_start(&freeze->thread, "thaw", thaw_until_it_answers, freeze, &err);
	err_clear(&err); /* the guard thaws at our end */
}

void freeze_release(struct freeze *freeze)
{
	if (freeze->thawing) {
		pthread_mutex_lock(&freeze->lock);
		freeze->stop = true;
		pthread_cond_signal(&freeze->stop_changed);
		pthread_mutex_unlock(&freeze->lock);
		pthread_join(freeze->thread, NULL);
	}
	file_closep(&freeze->guard); /* still there only if the guest did not answer: now the guard asks, for as long as
					it takes */
	free(freeze->note);
	freeze->note = NULL;
	freeze->thawing = false;
}
