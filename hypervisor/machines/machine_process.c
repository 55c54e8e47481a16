/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a machine runs is told by its lock alone, which goes with the last process that has it, however that ends.
 * The file pid is for what needs a number; a number that the kernel has given to another process since is known by its
 * start.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "hypervisor/machines/machines.h"
#include "hypervisor/machines/machines_internal.h"

enum { LOOK_MS = 100, LOG_TAIL = 4096, PROC_MAX = 4096, KILL_MS = 10000 };

#define NS_PER_MS UINT64_C(1000000)

/* ---- lock ---- */

int thin_machine_lock(const struct thin_machine *machine, struct err **errp)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	AUTO(freep) char *path = thin_machine_file(machine, "lock");
	if (!path) {
		err_set_no_memory(errp);
		return -1;
	}
	AUTO(file_closep) int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &whole) == 0)
		return STEAL_FD(&fd);
	if (errno == EAGAIN)
		err_set(errp, ERR_BUSY, "machine '%s' runs already, or is being started", machine->name);
	else
		err_set_errno(errp, errno, "%s", path);
	return -1;
}

/* Asks for the lock without taking it. */
bool machine_folder_runs(const char *folder, bool *ret, struct err **errp)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	AUTO(freep) char *path = file_join(folder, "lock");
	if (!path)
		return err_set_no_memory(errp);
	AUTO(file_closep) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno != ENOENT)
		return err_set_errno(errp, errno, "%s", path);
	if (fd >= 0 && fcntl(fd, F_OFD_GETLK, &whole) != 0)
		return err_set_errno(errp, errno, "%s: lock", path);
	*ret = fd >= 0 && whole.l_type != F_UNLCK;
	return true;
}

/* ---- pid ---- */

static bool read_text(const char *path, char text[PROC_MAX])
{
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd >= 0 ? read(fd, text, PROC_MAX - 1) : -1;
	text[got > 0 ? got : 0] = '\0';
	return got > 0;
}

/* Field 22 of proc(5)'s stat: ticks since the host's start. The name in field 2 may contain anything. */
static bool start_of(pid_t pid, uint64_t *ret)
{
	char path[64], text[PROC_MAX];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	const char *at = read_text(path, text) ? strrchr(text, ')') : NULL;
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at)
		return false;
	*ret = strtoull(at + 1, NULL, 10);
	return true;
}

static bool boot_id(char text[PROC_MAX])
{
	bool ok = read_text("/proc/sys/kernel/random/boot_id", text);
	text[strcspn(text, "\n")] = '\0';
	return ok;
}

bool thin_machine_write_pid(const struct thin_machine *machine, pid_t pid, struct err **errp)
{
	char boot[PROC_MAX];
	uint64_t start;
	if (!start_of(pid, &start) || !boot_id(boot))
		return err_set(errp, ERR_FAILED, "cannot look at process %d in /proc", pid);
	AUTO(freep) char *path = thin_machine_file(machine, "pid");
	AUTO(freep) char *text = file_format("%d %" PRIu64 " %s\n", pid, start, boot);
	if (!path || !text)
		return err_set_no_memory(errp);
	return file_replace(path, SPAN(text, strlen(text)), 0600, errp);
}

struct written_pid {
	pid_t pid;
	uint64_t start;
	char boot[64];
};

/* What the file pid says; false where there is none. */
static bool read_pid(const char *folder, struct written_pid *ret)
{
	char text[PROC_MAX], *rest = text;
	AUTO(freep) char *path = file_join(folder, "pid");
	if (!path || !read_text(path, text))
		return false;
	ret->pid = (pid_t)strtol(rest, &rest, 10);
	ret->start = strtoull(rest, &rest, 10);
	rest += strspn(rest, " ");
	rest[strcspn(rest, "\n")] = '\0';
	snprintf(ret->boot, sizeof(ret->boot), "%s", rest);
	return ret->pid > 0;
}

/* A descriptor of salvor-vmm's process; -1 where it is not there any more. */
static int open_process(const char *folder, pid_t *ret_pid)
{
	char boot[PROC_MAX];
	struct written_pid written;
	uint64_t start;
	if (!read_pid(folder, &written) || !boot_id(boot) || strcmp(boot, written.boot) != 0)
		return -1;
	/* The descriptor first: what it is of does not change behind the look at its start. */
	AUTO(file_closep) int fd = (int)syscall(SYS_pidfd_open, written.pid, 0);
	if (fd < 0 || !start_of(written.pid, &start) || start != written.start)
		return -1;
	*ret_pid = written.pid;
	return STEAL_FD(&fd);
}

const char *machine_folder_pid_text(const char *folder, char text[MACHINE_PID_TEXT])
{
	pid_t pid;
	AUTO(file_closep) int process = open_process(folder, &pid);
	text[0] = '\0';
	if (process >= 0)
		snprintf(text, MACHINE_PID_TEXT, ", pid %d", pid);
	return text;
}

/* ---- its last word ---- */

/* Of a line of the log; jail's last word has none. */
static const char *behind_time(const char *line)
{
	const char *blank = strchr(line, ' ');
	return *line >= '0' && *line <= '9' && blank ? blank + 1 : line;
}

/* The last line of the log, where it tells of an error, and where that is; NULL else. */
static char *last_error(const struct thin_machine *machine)
{
	static const char mark[] = "salvor: error: ";
	char tail[LOG_TAIL + 1];
	AUTO(freep) char *path = thin_machine_file(machine, "log");
	AUTO(file_closep) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	ssize_t got = size > 0 ? pread(fd, tail, LOG_TAIL, size > LOG_TAIL ? size - LOG_TAIL : 0) : 0;
	if (got <= 0)
		return NULL;
	tail[got] = '\0';
	if (tail[got - 1] == '\n')
		tail[got - 1] = '\0';
	const char *line = strrchr(tail, '\n');
	line = behind_time(line ? line + 1 : tail);
	if (strncmp(line, mark, sizeof(mark) - 1) != 0)
		return NULL;
	return file_format("%s; see %s", line + sizeof(mark) - 1, path);
}

/* ---- an end without a word ---- */

static const char running[] = "runs\n", killed[] = "killed\n";

/* What it was when nobody has told of its end: neither salvor-vmm nor who killed it by order. NULL else. */
static const char *sudden_end(const struct thin_machine *machine)
{
	char said[PROC_MAX], boot[PROC_MAX];
	struct written_pid written;
	AUTO(freep) char *path = thin_machine_file(machine, "lock");
	if (!path || !read_text(path, said) || strcmp(said, running) != 0)
		return NULL;
	if (read_pid(machine->folder, &written) && boot_id(boot) && strcmp(boot, written.boot) != 0)
		return "it ran when this host went down";
	return "it ended without a word: it crashed, or was killed, as by the kernel for lack of memory, of which "
	       "'journalctl -k' tells";
}

static bool log_sudden_end(const struct thin_machine *machine, const char *end, struct err **errp)
{
	char now[CLOCK_TEXT_SIZE];
	AUTO(freep) char *path = thin_machine_file(machine, "log");
	if (!path)
		return err_set_no_memory(errp);
	AUTO(file_closep)
	int log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	return (log >= 0 && dprintf(log, "%s salvor: warning: machine '%s': %s\n", clock_format(clock_now_ns(), now),
				    machine->name, end) > 0) ||
	       err_set_errno(errp, errno, "%s", path);
}

bool machine_begin(const struct thin_machine *machine, int lock, struct err **errp)
{
	const char *end = sudden_end(machine);
	AUTO(freep) char *word = last_error(machine); /* jail's, which writes nothing into the lock */
	if (end && !word && !log_sudden_end(machine, end, errp))
		return false;
	return ftruncate(lock, 0) == 0 || err_set_errno(errp, errno, "%s/lock", machine->folder);
}

/* What it tells of is done, and stays so where the disk is full. */
static void note(int lock, const char *line)
{
	ssize_t written = write(lock, line, strlen(line));
	(void)written;
}

void machine_note_running(int lock)
{
	note(lock, running);
}

static void note_killed(const struct thin_machine *machine)
{
	AUTO(freep) char *path = thin_machine_file(machine, "lock");
	AUTO(file_closep) int lock = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW) : -1;
	if (lock >= 0)
		note(lock, killed);
}

/* ---- look ---- */

static bool take_answer(const struct json *answer, struct thin_look *look, struct err **errp)
{
	const char *state = json_get_text(answer, "state"), *reason = json_get_text(answer, "reason"),
		   *by = json_get_text(answer, "by");
	if (strcmp(state, "running") == 0)
		look->state = THIN_RUNNING;
	else if (strcmp(state, "paused") == 0)
		look->state = THIN_PAUSED;
	else if (!reason)
		reason = "it ends";
	look->reason = reason ? strdup(reason) : NULL;
	look->waits_for_disk = look->state == THIN_PAUSED && by && strcmp(by, "disk") == 0;
	return !reason || look->reason || err_set_no_memory(errp);
}

/* Why it does not run, where there is more to say than that. */
static bool look_at_end(const struct thin_machine *machine, struct thin_look *look, struct err **errp)
{
	const char *end = sudden_end(machine);
	look->reason = last_error(machine);
	if (look->reason || !end)
		return true;
	look->reason = file_format("%s. 'salvor vm start %s' starts it again", end, machine->name);
	return look->reason || err_set_no_memory(errp);
}

uint64_t thin_machine_until(unsigned ms)
{
	return clock_monotonic_ns() + ms * NS_PER_MS;
}

bool machine_await(int fd, uint64_t until)
{
	struct pollfd awaited = {.fd = fd, .events = POLLIN};
	int ready;
	do {
		uint64_t now = clock_monotonic_ns();
		ready = poll(&awaited, 1, until > now ? (int)((until - now) / NS_PER_MS) : 0);
	} while (ready < 0 && errno == EINTR);
	return ready > 0;
}

bool thin_machine_look(const struct thin_machine *machine, uint64_t until, struct thin_look *ret, struct err **errp)
{
	AUTO(json_freep) struct json *answer = NULL;
	AUTO(err_freep) struct err *silent = NULL;
	bool runs;
	if (!machine_folder_runs(machine->folder, &runs, errp))
		return false;
	*ret = (struct thin_look){.state = runs ? THIN_SILENT : THIN_STOPPED};
	if (!runs)
		return look_at_end(machine, ret, errp);
	AUTO(file_closep) int process = open_process(machine->folder, &ret->pid);
	if (thin_machine_order(machine, "status", until, &answer, &silent))
		return take_answer(answer, ret, errp);
	if (err_code(silent) == ERR_NOT_FOUND) { /* since */
		*ret = (struct thin_look){.state = THIN_STOPPED};
		return look_at_end(machine, ret, errp);
	}
	ret->reason = strdup(err_message(silent));
	return ret->reason || err_set_no_memory(errp);
}

bool thin_machine_look_settled(const struct thin_machine *machine, uint64_t until, const struct cancel *cancel,
			       struct thin_look *ret, struct err **errp)
{
	for (;;) {
		if (!cancel_check(cancel, errp) || !thin_machine_look(machine, until, ret, errp))
			return false;
		/* One more look, without time for an answer, would find less. */
		if (ret->state != THIN_SILENT || thin_machine_until(LOOK_MS) >= until)
			return true;
		free(ret->reason);
		poll(NULL, 0, LOOK_MS);
	}
}

/* ---- end ---- */

bool thin_machine_kill(const struct thin_machine *machine, bool *ret_killed, struct err **errp)
{
	pid_t pid;
	AUTO(file_closep) int process = open_process(machine->folder, &pid);
	*ret_killed = process >= 0 && !machine_await(process, 0);
	if (!*ret_killed)
		return true;
	if (syscall(SYS_pidfd_send_signal, process, SIGKILL, NULL, 0) == 0)
		note_killed(machine); /* whenever it is gone */
	else if (errno != ESRCH)
		return err_set_errno(errp, errno, "machine '%s': end process %d", machine->name, pid);
	return machine_await(process, thin_machine_until(KILL_MS)) ||
	       err_set(errp, ERR_FAILED,
		       "machine '%s': process %d does not end, as one does that waits for a dead disk", machine->name,
		       pid);
}

bool thin_machine_wait(const struct thin_machine *machine, uint64_t until, const struct cancel *cancel,
		       bool *ret_stopped, struct err **errp)
{
	pid_t pid;
	AUTO(file_closep) int process = open_process(machine->folder, &pid);
	for (;;) {
		bool runs;
		if (!cancel_check(cancel, errp) || !machine_folder_runs(machine->folder, &runs, errp))
			return false;
		*ret_stopped = !runs;
		if (!runs || clock_monotonic_ns() >= until)
			return true;
		/* The process ends before what belongs to it does, as its NBD server: so both are looked at. */
		struct pollfd end = {.fd = process, .events = POLLIN};
		if (poll(&end, 1, LOOK_MS) == 1)
			file_closep(&process);
	}
}
