/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	salvor vm start ──fork──► keeper: repository, NBD server, salvor-vmm ──"R"──► detached ──► the machine's end
 *	     │                                                                     │
 *	     └── waits: "R" and the pid, or how it failed ◄────────────────────────┘
 *
 * The keeper has the key, and the machine does not. An NBD server that died is started again, at longer and
 * longer intervals where it does not stay. While it serves, a machine that paused for it is let go on, and none that
 * paused for anything else. Each SIGTERM is handed on to salvor-vmm: the first presses the power button, the second
 * ends the machine. A keeper that was killed leaves a machine that pauses; the next 'salvor vm start' gives it
 * a new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/report.h"
#include "cli/vm.h"
#include "restore/export.h"

enum {
	LOOK_MS = 500,
	CANCEL_POLL_MS = 200,
	PAUSE_MIN_MS = 500,
	PAUSE_MAX_MS = 30000,
	HELP_MIN_MS = 2000,
	FOLDER_MODE = 0711,
	MESSAGE_MAX = 4096
};
#define MS UINT64_C(1000000)

DEFINE_AUTO_FREE(struct export, export_stop);

struct keeper {
	struct context *context;
	const struct thin_machine *machine;
	struct repository *repository;
	struct point point;
	int folder;   /* of the NBD server, */
	char *socket; /* and of its socket */
	struct export *export;
	/* A server that has served for PAUSE_MAX_MS starts anew with the shortest pause. */
	unsigned pause_ms;	    /* before the next try to start it */
	uint64_t served_ns, try_ns; /* when it was started last; not before this it is tried again */
	unsigned look_ms;	    /* between looks at whether the machine waits for the server */
	uint64_t look_ns;
	atomic_bool unreadable; /* it was told that the repository cannot be read; from any thread */
	bool away;		/* it was told that it cannot be started */
	pid_t pid;		/* of salvor-vmm */
	int process;		/* a descriptor of it */
	int signals;		/* a descriptor of SIGTERM, which is blocked */
	int lock;		/* of the keepers: there is one at a time */
};

static void keeper_release(struct keeper *keeper)
{
	export_stop(keeper->export);
	point_release(&keeper->point);
	repository_free(keeper->repository);
	free(keeper->socket);
	file_closep(&keeper->folder);
	file_closep(&keeper->process);
	file_closep(&keeper->lock);
	file_closep(&keeper->signals);
}

static bool take_place(const struct thin_machine *machine, int *ret_lock, struct err **errp)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	AUTO(freep) char *path = thin_machine_file(machine, "keeper");
	if (!path)
		return err_set_no_memory(errp);
	AUTO(file_closep) int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock >= 0 && fcntl(lock, F_OFD_SETLK, &whole) == 0) {
		*ret_lock = STEAL_FD(&lock);
		return true;
	}
	if (errno == EAGAIN)
		return err_set(errp, ERR_BUSY, "machine '%s': another process serves its disks already", machine->name);
	return err_set_errno(errp, errno, "%s", path);
}

/* Asks for the lock without taking it, which another could need just now. */
bool vm_keeper_is_there(const struct thin_machine *machine)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	AUTO(freep) char *path = thin_machine_file(machine, "keeper");
	AUTO(file_closep) int lock = path ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
	return lock >= 0 && fcntl(lock, F_OFD_GETLK, &whole) == 0 && whole.l_type != F_UNLCK;
}

/* ---- the NBD server ---- */

static void complain(void *arg, enum export_complaint kind, const char *text)
{
	struct keeper *keeper = arg;
	const char *name = keeper->machine->name;
	if (kind == EXPORT_DAMAGE)
		log_warning("machine '%s': its guest gets an input/output error: %s; 'salvor scrub' tells what else "
			    "is damaged",
			    name, text);
	else if (kind == EXPORT_UNREADABLE && !atomic_exchange(&keeper->unreadable, true))
		log_warning("machine '%s': its repository %s cannot be read, and it pauses until it can: %s", name,
			    repository_url(keeper->repository), text);
	else if (kind != EXPORT_UNREADABLE)
		log_info("machine '%s': its NBD server: %s", name, text);
}

/* The machine connects again out of its jail, as the user that it is there. The socket is its own, and nothing else. */
static bool hand_socket_over(const struct keeper *keeper, struct err **errp)
{
	uid_t uid = keeper->machine->uid;
	return !uid || fchownat(keeper->folder, "socket", uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0 ||
	       err_set_errno(errp, errno, "%s", keeper->socket);
}

static bool serve(struct keeper *keeper, struct err **errp)
{
	/* Ctrl-C is for the command that starts the machine: once that runs, what was typed then means nothing. */
	const struct cancel *cancel = keeper->process < 0 ? &keeper->context->cancel : NULL;
	const struct export_options options = {.socket = keeper->socket,
					       .state_dir = keeper->context->state_dir,
					       .foreign_clients = true,
					       .cancel = cancel,
					       .until = {keeper->process, keeper->signals},
					       .complain = complain,
					       .complain_arg = keeper};
	if (unlink(keeper->socket) != 0 && errno != ENOENT) /* of a server that was killed */
		return err_set_errno(errp, errno, "%s", keeper->socket);
	keeper->export = export_start(keeper->repository, &keeper->point, &options, errp);
	if (keeper->export && hand_socket_over(keeper, errp)) {
		keeper->served_ns = clock_monotonic_ns();
		return true;
	}
	export_stop(keeper->export);
	keeper->export = NULL;
	return false;
}

static bool make_folder(struct keeper *keeper, struct err **errp)
{
	AUTO(freep) char *path = thin_machine_file(keeper->machine, "nbd");
	keeper->socket = thin_machine_file(keeper->machine, "nbd/socket");
	if (!path || !keeper->socket)
		return err_set_no_memory(errp);
	if (!file_make_folders(path, FOLDER_MODE, errp))
		return false;
	keeper->folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	/* It may be one that was the machine's own, or made under a narrow umask. */
	return (keeper->folder >= 0 && fchown(keeper->folder, geteuid(), (gid_t)-1) == 0 &&
		fchmod(keeper->folder, FOLDER_MODE) == 0) ||
	       err_set_errno(errp, errno, "%s", path);
}

/* A line for each change, and none for each try. */
static void tell_of_server(struct keeper *keeper, const struct err *err)
{
	const char *name = keeper->machine->name;
	if (!err)
		log_info("machine '%s': its NBD server at %s ended, and was started again", name, keeper->socket);
	else if (!keeper->away)
		log_warning("machine '%s': its NBD server at %s ended, and cannot be started again: %s; this is tried "
			    "again until it serves, and the machine waits where it needs it",
			    name, keeper->socket, err_message(err));
	keeper->away = err;
}

static unsigned longer(unsigned pause_ms)
{
	return pause_ms < PAUSE_MAX_MS / 2 ? 2 * pause_ms : PAUSE_MAX_MS;
}

static void serve_again(struct keeper *keeper)
{
	AUTO(err_freep) struct err *err = NULL;
	uint64_t now = clock_monotonic_ns();
	if (now < keeper->try_ns)
		return;
	export_stop(keeper->export);
	keeper->export = NULL;
	if (now - keeper->served_ns >= PAUSE_MAX_MS * MS && !keeper->away)
		keeper->pause_ms = PAUSE_MIN_MS;
	else
		keeper->pause_ms = longer(keeper->pause_ms);
	if (!serve(keeper, &err) && err_code(err) == ERR_CANCELLED)
		return; /* keep() sees why, and comes again */
	tell_of_server(keeper, err);
	keeper->try_ns = clock_monotonic_ns() + keeper->pause_ms * MS;
	keeper->look_ns = 0;
}

/* ---- the machine ---- */

static void let_go_on(const struct thin_machine *machine)
{
	AUTO(json_freep) struct json *answer = NULL;
	AUTO(err_freep) struct err *err = NULL;
	if (!thin_machine_order(machine, "go-on", thin_machine_until(THIN_PATIENCE_MS), &answer, &err))
		log_warning("%s; it was to go on, since its NBD server serves, and is told so again", err_message(err));
}

/* Not once when the server is back, but as often as the machine has paused for it: the machine may see its end later
 * than we do, and the server may serve and not reach the repository. Then the pauses grow. */
static void help_on(struct keeper *keeper)
{
	AUTO(err_freep) struct err *err = NULL;
	struct thin_look look = {0};
	uint64_t now = clock_monotonic_ns();
	if (now < keeper->look_ns ||
	    !thin_machine_look(keeper->machine, thin_machine_until(THIN_PATIENCE_MS), &look, &err))
		return;
	free(look.reason);
	if (look.waits_for_disk) {
		let_go_on(keeper->machine);
		keeper->look_ms = longer(keeper->look_ms);
	} else {
		atomic_store(&keeper->unreadable, false);
		keeper->look_ms = HELP_MIN_MS;
	}
	keeper->look_ns = now + keeper->look_ms * MS;
}

/* lock -1: it runs already, and paused. */
static bool run_machine(struct keeper *keeper, int lock, pid_t running, struct err **errp)
{
	keeper->pid = running;
	if (lock >= 0 && !thin_machine_start(keeper->machine, lock, &keeper->pid, errp))
		return false;
	if (lock < 0)
		let_go_on(keeper->machine);
	keeper->process = (int)syscall(SYS_pidfd_open, keeper->pid, 0);
	return keeper->process >= 0 || err_set_errno(errp, errno, "machine '%s'", keeper->machine->name);
}

/* Before the first thread. */
static bool open_signals(struct keeper *keeper, struct err **errp)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		keeper->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return keeper->signals >= 0 || err_set_errno(errp, errno, "make a descriptor for signals");
}

static bool open_repository(struct keeper *keeper, struct err **errp)
{
	keeper->context->remembered_repo = keeper->machine->repository;
	keeper->repository = context_open_repository(keeper->context, CONTEXT_READ, errp);
	return keeper->repository || err_prefix(errp, "machine '%s'", keeper->machine->name);
}

static bool refuse_repository(const struct keeper *keeper, struct err **errp)
{
	const struct thin_machine *machine = keeper->machine;
	const char *asked = repository_url(keeper->repository), *remembered = machine->repository;
	bool another = remembered && strcmp(remembered, asked) != 0;
	return err_set(errp, ERR_NOT_FOUND, "machine '%s' is of %s, which the repository %s does not have%s%s%s",
		       machine->name, machine->point_text, asked,
		       another ? "; it was made from " : "; 'salvor points' lists what it has",
		       another ? remembered : "", another ? ", which is taken where no other is named" : "");
}

static bool find_point(struct keeper *keeper, struct err **errp)
{
	if (point_find(keeper->repository, keeper->machine->point, &keeper->point, errp))
		return true;
	if (err_code(*errp) != ERR_NOT_FOUND)
		return err_prefix(errp, "machine '%s'", keeper->machine->name);
	err_clear(errp);
	return refuse_repository(keeper, errp);
}

static bool prepare(struct keeper *keeper, struct err **errp)
{
	return open_signals(keeper, errp) && open_repository(keeper, errp) &&
	       take_place(keeper->machine, &keeper->lock, errp) && find_point(keeper, errp) &&
	       make_folder(keeper, errp) && serve(keeper, errp);
}

static void hand_signal_on(const struct keeper *keeper)
{
	struct signalfd_siginfo info;
	if (read(keeper->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		syscall(SYS_pidfd_send_signal, keeper->process, SIGTERM, NULL, 0);
}

static void keep(struct keeper *keeper)
{
	struct pollfd ready[] = {{.fd = keeper->process, .events = POLLIN}, {.fd = keeper->signals, .events = POLLIN}};
	for (;;) {
		bool any = poll(ready, ARRAY_LENGTH(ready), LOOK_MS) > 0;
		if (any && ready[0].revents)
			return;
		if (any)
			hand_signal_on(keeper);
		if (export_serves(keeper->export))
			help_on(keeper);
		else
			serve_again(keeper);
	}
}

/* ---- the process ---- */

/* Nobody's terminal, and no words but in the machine's log. The folder stays: a repository may be named from it. */
static bool detach(const struct thin_machine *machine, struct err **errp)
{
	AUTO(freep) char *path = thin_machine_file(machine, "log");
	AUTO(file_closep) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	AUTO(file_closep)
	int log = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (log < 0 || null < 0 || setsid() < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		return err_set_errno(errp, errno, "machine '%s': cannot leave the terminal", machine->name);
	log_show_times();
	return true;
}

static void tell(int answer, char kind, const void *data, size_t size)
{
	char message[MESSAGE_MAX];
	size = size < sizeof(message) - 1 ? size : sizeof(message) - 1;
	message[0] = kind;
	memcpy(message + 1, data, size);
	ssize_t written = write(answer, message, size + 1);
	(void)written; /* whoever waited is gone */
	close(answer);
}

static bool start(struct keeper *keeper, int lock, pid_t running, struct err **errp)
{
	return prepare(keeper, errp) && run_machine(keeper, lock, running, errp) && detach(keeper->machine, errp);
}

static void run_keeper(struct context *context, const struct thin_machine *machine, int lock, pid_t running, int answer)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(keeper_release)
	struct keeper keeper = {.context = context,
				.machine = machine,
				.folder = -1,
				.process = -1,
				.signals = -1,
				.lock = -1,
				.pause_ms = PAUSE_MIN_MS / 2,
				.look_ms = HELP_MIN_MS};
	if (!start(&keeper, lock, running, &err)) {
		tell(answer, (char)err_code(err), err_message(err), strlen(err_message(err)));
		return;
	}
	tell(answer, 'R', &keeper.pid, sizeof(keeper.pid));
	keep(&keeper);
}

/* Who interrupts us interrupts the keeper, which says so. */
static void await_word(int answer, pid_t keeper, const struct cancel *cancel)
{
	struct pollfd word = {.fd = answer, .events = POLLIN};
	while (poll(&word, 1, CANCEL_POLL_MS) <= 0) {
		if (cancel_requested(cancel)) {
			kill(keeper, SIGTERM);
			return;
		}
	}
}

static bool hear(int answer, pid_t keeper, pid_t *ret_pid, struct err **errp)
{
	char message[MESSAGE_MAX + 1];
	size_t len = 0;
	for (ssize_t got; len < MESSAGE_MAX;) {
		got = read(answer, message + len, MESSAGE_MAX - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	message[len] = '\0';
	if (len == 1 + sizeof(*ret_pid) && message[0] == 'R') {
		memcpy(ret_pid, message + 1, sizeof(*ret_pid));
		return true;
	}
	while (waitpid(keeper, NULL, 0) < 0 && errno == EINTR) {
	}
	return len > 1 ? err_set(errp, (enum err_code)message[0], "%s", message + 1)
		       : err_set(errp, ERR_FAILED, "the process that was to serve its disks has ended");
}

bool vm_keeper_start(struct context *context, const struct thin_machine *machine, pid_t *ret_pid, struct err **errp)
{
	pid_t running = *ret_pid;
	int ends[2];
	AUTO(file_closep) int lock = running ? -1 : thin_machine_lock(machine, errp);
	if (!running && lock < 0)
		return false;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return err_set_errno(errp, errno, "make a pipe");
	fflush(NULL);
	pid_t keeper = fork();
	if (keeper == 0) {
		close(ends[0]);
		run_keeper(context, machine, lock, running, ends[1]);
		_exit(EXIT_SUCCESS);
	}
	close(ends[1]);
	AUTO(file_closep) int answer = ends[0];
	if (keeper < 0)
		return err_set_errno(errp, errno, "start a process");
	await_word(answer, keeper, &context->cancel);
	return hear(answer, keeper, ret_pid, errp);
}
