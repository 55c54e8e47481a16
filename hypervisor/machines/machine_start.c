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
#include "hypervisor/machines/machines.h"
#include "hypervisor/machines/machines_internal.h"
#include "hypervisor/program.h"

enum { READY_FD = 3, LOCK_FD = 4, FIRST_OTHER_FD = 16, ARGUMENTS_MAX = 24 };

struct command {
	char *arguments[ARGUMENTS_MAX];
	size_t n;
	bool no_memory;
};

static void command_release(struct command *command)
{
	for (size_t i = 0; i < command->n; i++)
		free(command->arguments[i]);
}

static void add(struct command *command, char *argument)
{
	command->no_memory = command->no_memory || !argument;
	if (argument)
		command->arguments[command->n++] = argument;
}

/* Beside this program, else on PATH. */
static char *find_vmm(void)
{
	char program[4096];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);
	program[len > 0 ? len : 0] = '\0';
	char *slash = strrchr(program, '/');
	if (slash)
		*slash = '\0';
	AUTO(freep) char *near = file_join(program, "salvor-vmm");
	return near && access(near, X_OK) == 0 ? STEAL(&near) : strdup("salvor-vmm");
}

static void add_file(struct command *command, const char *option, const struct thin_machine *machine, const char *file)
{
	add(command, strdup(option));
	add(command, thin_machine_file(machine, file));
}

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

static bool build(struct command *command, const struct thin_machine *machine, struct err **errp)
{
	add(command, find_vmm());
	add_file(command, "--config", machine, "vm.conf");
	add_file(command, "--control", machine, "control");
	add_file(command, "--agent", machine, "agent");
	add_file(command, "--serial-log", machine, "serial.log");
	add_file(command, "--log", machine, "log");
	add(command, file_format("--ready=%d", READY_FD));
	add(command, file_format("--hold=%d", LOCK_FD));
	if (machine->uid)
		add(command, file_format("--uid=%u", machine->uid));
	return !command->no_memory || err_set_no_memory(errp);
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

static bool spawn(struct command *command, const struct ends *ends, pid_t *ret, struct err **errp)
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
		status = posix_spawnp(ret, command->arguments[0], &actions, &attributes, command->arguments,
				      environment);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return status == 0 || err_set_errno(errp, status, "run %s", command->arguments[0]);
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

static bool run(const struct thin_machine *machine, struct command *command, int lock, const int errors[2],
		const int ready[2], pid_t *ret_pid, struct err **errp)
{
	const struct ends ends = {.errors = errors[1], .ready = ready[1], .lock = lock};
	bool ok = spawn(command, &ends, ret_pid, errp);
	close(errors[1]);
	close(ready[1]);
	if (!ok)
		return false;
	if (thin_machine_write_pid(machine, *ret_pid, errp))
		return wait_until_it_runs(machine, *ret_pid, errors[0], ready[0], errp);
	kill(*ret_pid, SIGKILL);
	waitpid(*ret_pid, NULL, 0);
	return false;
}

bool thin_machine_start(const struct thin_machine *machine, int lock, pid_t *ret_pid, struct err **errp)
{
	AUTO(command_release) struct command command = {0};
	int errors[2] = {-1, -1}, ready[2] = {-1, -1};
	AUTO(file_closep) int held = fcntl(lock, F_DUPFD_CLOEXEC, FIRST_OTHER_FD);
	if (held < 0)
		return err_set_errno(errp, errno, "machine '%s': lock", machine->name);
	if (!check_user(machine, errp) || !build(&command, machine, errp))
		return false;
	bool ok = make_pipe(errors, errp) && make_pipe(ready, errp) &&
		  run(machine, &command, held, errors, ready, ret_pid, errp);
	file_closep(&errors[0]);
	file_closep(&ready[0]);
	return ok;
}
