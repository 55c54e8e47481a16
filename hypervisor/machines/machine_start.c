/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	spawn ──► waiting ──one byte on ready──► running
 *	               └────── ready closes: what it said on standard error is the reason
 *
 * It gets the lock as a descriptor, and a session of its own; no word of our environment, which may have secrets.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/arguments.h"
#include "hypervisor/machines/machines.h"
#include "hypervisor/machines/machines_internal.h"
#include "hypervisor/program.h"

enum { READY_FD = 3, LOCK_FD = 4, FIRST_OTHER_FD = 16 };

/* Root's machine is never root. */
static bool check_user(const struct thin_machine *machine, struct err **errp)
{
	return machine->uid || geteuid() != 0 ||
	       err_set(errp, ERR_FAILED,
		       "machine '%s': %s/uid is missing or damaged, which says as which user it runs: write a number "
		       "from "
		       "1900000000 to 1901048575 into it that no other machine of this host has",
		       machine->name, machine->folder);
}

/* salvor-vmm beside this program, else on PATH. */
static bool build(struct arguments *arguments, const struct thin_machine *machine, struct err **errp)
{
	AUTO(freep) char *near = program_near("salvor-vmm", errp);
	if (!near)
		return false;
	arguments_add(arguments, "%s", access(near, X_OK) == 0 ? near : "salvor-vmm");
	arguments_add(arguments, "--config=%s/vm.conf", machine->folder);
	arguments_add(arguments, "--control=%s/control", machine->folder);
	arguments_add(arguments, "--agent=%s/agent", machine->folder);
	arguments_add(arguments, "--serial-log=%s/serial.log", machine->folder);
	arguments_add(arguments, "--log=%s/log", machine->folder);
	arguments_add(arguments, "--ready=%d", READY_FD);
	arguments_add(arguments, "--hold=%d", LOCK_FD);
	if (machine->uid)
		arguments_add(arguments, "--uid=%u", machine->uid);
	return arguments_check(arguments, errp);
}

/* What it has beside standard input and output; all numbers are above those that they get. */
struct ends {
	int errors, ready, lock;
};

static int set_files(posix_spawn_file_actions_t *actions, const struct ends *ends)
{
	int status = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
	if (status == 0)
		status = posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(actions, ends->errors, 2);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(actions, ends->ready, READY_FD);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(actions, ends->lock, LOCK_FD);
	return status;
}

static int set_attributes(posix_spawnattr_t *attributes)
{
	sigset_t none, terminal;
	sigemptyset(&none);
	sigemptyset(&terminal);
	sigaddset(&terminal, SIGINT);
	sigaddset(&terminal, SIGTERM);
	int status = posix_spawnattr_setflags(attributes,
					      POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (status == 0)
		status = posix_spawnattr_setsigdefault(attributes, &terminal);
	return status == 0 ? posix_spawnattr_setsigmask(attributes, &none) : status;
}

static bool spawn(struct arguments *arguments, const struct ends *ends, pid_t *ret, struct err **errp)
{
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	char *environment[] = {path, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	if (posix_spawn_file_actions_init(&actions) != 0)
		return err_set_no_memory(errp);
	if (posix_spawnattr_init(&attributes) != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return err_set_no_memory(errp);
	}
	int status = set_files(&actions, ends);
	if (status == 0)
		status = set_attributes(&attributes);
	if (status == 0)
		status = posix_spawnp(ret, arguments->items[0], &actions, &attributes, arguments->items, environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return status == 0 || err_set_errno(errp, status, "run %s", arguments->items[0]);
}

/* The last of its lines, without what it puts before an error. */
static const char *plain(char *said)
{
	static const char mark[] = "salvor: error: ";
	char *last = NULL;
	for (char *at = strstr(said, mark); at; at = strstr(at + 1, mark))
		last = at;
	return last ? last + sizeof(mark) - 1 : said;
}

static bool wait_until_it_runs(const struct thin_machine *machine, pid_t pid, int errors, int ready, struct err **errp)
{
	char byte, said[2048];
	int status;
	ssize_t got;
	do
		got = read(ready, &byte, 1);
	while (got < 0 && errno == EINTR);
	if (got == 1)
		return true;
	program_said(errors, said, sizeof(said));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
	}
	return err_set(errp, ERR_FAILED, "machine '%s' could not be started: %s", machine->name,
		       *said ? plain(said) : "it gave no reason; its log may have one");
}

static bool make_pipe(int ret[2], struct err **errp)
{
	if (pipe2(ret, O_CLOEXEC) != 0)
		return err_set_errno(errp, errno, "make a pipe");
	int high = fcntl(ret[1], F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
	close(ret[1]);
	ret[1] = high;
	return high >= 0 || err_set_errno(errp, errno, "make a pipe");
}

static bool run(const struct thin_machine *machine, struct arguments *arguments, int lock, const int errors[2],
		const int ready[2], pid_t *ret_pid, struct err **errp)
{
	const struct ends ends = {.errors = errors[1], .ready = ready[1], .lock = lock};
	bool ok = spawn(arguments, &ends, ret_pid, errp);
	close(errors[1]);
	close(ready[1]);
	if (!ok)
		return false;
	if (thin_machine_write_pid(machine, *ret_pid, errp)) {
		ok = wait_until_it_runs(machine, *ret_pid, errors[0], ready[0], errp);
		if (ok)
			machine_note_running(lock);
		return ok;
	}
	kill(*ret_pid, SIGKILL);
	waitpid(*ret_pid, NULL, 0);
	return false;
}

bool thin_machine_start(const struct thin_machine *machine, int lock, pid_t *ret_pid, struct err **errp)
{
	AUTO(arguments_release) struct arguments arguments = {0};
	int errors[2] = {-1, -1}, ready[2] = {-1, -1};
	AUTO(file_closep) int held = fcntl(lock, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
	if (held < 0)
		return err_set_errno(errp, errno, "machine '%s': lock", machine->name);
	if (!check_user(machine, errp) || !build(&arguments, machine, errp) || !machine_begin(machine, lock, errp))
		return false;
	bool ok = make_pipe(errors, errp) && make_pipe(ready, errp) &&
		  run(machine, &arguments, held, errors, ready, ret_pid, errp);
	file_closep(&errors[0]);
	file_closep(&ready[0]);
	return ok;
}
