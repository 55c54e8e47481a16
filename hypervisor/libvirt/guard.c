/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   waits ── a byte: what is owed from now on ──► waits ── end of the socket ──► libvirt answers? ──► ends the job,
 *   resumes a guest that it paused, gives the lock back ──► thaws ──► gone
 *
 * Neither libvirt nor the agent on Linux undoes anything when their client dies, and a job whose client died goes on
 * filling its spill until the guest has no room to write. libvirt itself may be what died, so it is waited for.
 */
#include "hypervisor/libvirt/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

enum { LOCK_FD = 3, EXEC_FAILED = 127, LIBVIRT_TRIES = 60, LIBVIRT_AGAIN_S = 1, THAW_TRIES = 300 };

/* ---- in the guard: a forked copy of a process with threads, so only what is safe in a signal handler ---- */

/* In words that do not depend on the user's language. What it answers goes to `output`. */
static bool run_virsh(const char *uri, const char *verb, const char *uuid, const char *option, int output)
{
	const char *argv[] = {"env", "LC_ALL=C", "virsh", "--quiet", "--connect", uri, verb, uuid, option, NULL};
	int status = 0;
	pid_t pid = fork();
	if (pid == 0) {
		dup2(output, STDOUT_FILENO);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(EXEC_FAILED);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return pid > 0 && status == 0;
}

/* The answer is short enough to wait in the pipe. */
static bool is_stuck(const char *uri, const char *uuid)
{
	static const char stuck[] = "paused (I/O error)";
	char answer[sizeof(stuck) - 1];
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	run_virsh(uri, "domstate", uuid, "--reason", ends[1]);
	close(ends[1]);
	ssize_t n = TEMP_FAILURE_RETRY(read(ends[0], answer, sizeof(answer)));
	close(ends[0]);
	return n == (ssize_t)sizeof(answer) && memcmp(answer, stuck, sizeof(answer)) == 0;
}

/* An agent that sleeps freezes when it wakes up. While somebody else's question to it is open, libvirt lets us wait for
 * only half a minute. */
static void thaw(const char *uri, const char *uuid)
{
	run_virsh(uri, "guest-agent-timeout", uuid, "--timeout=-2", STDERR_FILENO);
	for (int i = 0; i < THAW_TRIES && !run_virsh(uri, "domfsthaw", uuid, NULL, STDERR_FILENO); i++) {
		if (!run_virsh(uri, "domjobinfo", uuid, NULL, STDERR_FILENO))
			return; /* switched off */
		sleep(LIBVIRT_AGAIN_S);
	}
}

static void pay(unsigned debts, const char *uri, const char *uuid)
{
	for (int i = 0; i < LIBVIRT_TRIES && !run_virsh(uri, "uri", NULL, NULL, STDERR_FILENO); i++)
		sleep(LIBVIRT_AGAIN_S);
	if (debts & GUARD_JOB)
		run_virsh(uri, "domjobabort", uuid, NULL, STDERR_FILENO);
	if (debts & GUARD_RESUME && is_stuck(uri, uuid))
		run_virsh(uri, "resume", uuid, NULL, STDERR_FILENO);
	close(LOCK_FD);
	if (debts & GUARD_THAW)
		thaw(uri, uuid);
}

static void take_files(int socket, int lock)
{
	int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(socket, STDIN_FILENO);
	dup2(lock, LOCK_FD);
	fcntl(LOCK_FD, F_SETFD, FD_CLOEXEC);
	fcntl(STDIN_FILENO, F_SETFD, FD_CLOEXEC);
	dup2(nowhere, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	close_range(LOCK_FD + 1, ~0U, 0);
}

static _Noreturn void watch_over(int socket, int lock, const char *uri, const char *uuid)
{
	char debts = 0;
	sigset_t none;
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	take_files(socket, lock);
	while (TEMP_FAILURE_RETRY(read(STDIN_FILENO, &debts, 1)) == 1)
		continue;
	if (debts)
		pay((unsigned)debts, uri, uuid);
	close(LOCK_FD);
	_exit(EXIT_SUCCESS);
}

/* ---- in the process that it guards ---- */

/* Forked twice, so that init reaps it. */
static void fork_guard(const int ends[2], int lock, const char *uri, const char *uuid)
{
	pid_t pid = fork();
	if (pid == 0) {
		pid_t guard = fork();
		if (guard == 0)
			watch_over(ends[1], lock, uri, uuid);
		_exit(guard < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	if (pid > 0)
		TEMP_FAILURE_RETRY(waitpid(pid, NULL, 0));
}

void guard_start(struct guard *guard, virDomainPtr domain, int lock)
{
	char uuid[VIR_UUID_STRING_BUFLEN];
	AUTO(freep) char *uri = virConnectGetURI(virDomainGetConnect(domain));
	int ends[2];
	*guard = (struct guard){.socket = -1, .lock = PTHREAD_MUTEX_INITIALIZER};
	if (!uri || virDomainGetUUIDString(domain, uuid) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return;
	fork_guard(ends, lock, uri, uuid);
	close(ends[1]);
	guard->socket = ends[0];
}

/* A guard that is gone, as where the fork failed, is told in vain. */
static void change(struct guard *guard, unsigned add, unsigned remove)
{
	pthread_mutex_lock(&guard->lock);
	guard->debts = (guard->debts | add) & ~remove;
	char byte = (char)guard->debts;
	if (guard->socket >= 0 && send(guard->socket, &byte, 1, MSG_NOSIGNAL) < 0)
		shutdown(guard->socket, SHUT_RDWR);
	pthread_mutex_unlock(&guard->lock);
}

void guard_owe(struct guard *guard, unsigned debts)
{
	change(guard, debts, 0);
}

void guard_paid(struct guard *guard, unsigned debts)
{
	change(guard, 0, debts);
}

bool guard_owes(struct guard *guard, enum guard_debt debt)
{
	pthread_mutex_lock(&guard->lock);
	bool owes = guard->debts & debt;
	pthread_mutex_unlock(&guard->lock);
	return owes;
}

bool guard_is_there(const struct guard *guard)
{
	return guard->socket >= 0;
}

void guard_call(const struct guard *guard)
{
	if (guard->socket >= 0)
		shutdown(guard->socket, SHUT_WR);
}

void guard_end(struct guard *guard)
{
	char byte;
	guard_call(guard);
	if (guard->socket >= 0 && guard->debts == 0)
		TEMP_FAILURE_RETRY(read(guard->socket, &byte, 1));
	file_closep(&guard->socket);
}
