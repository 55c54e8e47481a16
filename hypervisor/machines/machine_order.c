/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "hypervisor/machines/machines.h"
#include "hypervisor/machines/machines_internal.h"

enum { ANSWER_MAX = 8192 };

/* Its process is not there, or not yet, or not any more; or it has lost its socket. */
static bool tell_unheard(const struct thin_machine *machine, struct err **errp)
{
	bool runs;
	char pid[MACHINE_PID_TEXT];
	if (!machine_folder_runs(machine->folder, &runs, errp))
		return false;
	if (!runs)
		return err_set(errp, ERR_NOT_FOUND, "machine '%s' does not run; 'salvor vm start %s' starts it",
			       machine->name, machine->name);
	return err_set(errp, ERR_BUSY,
		       "machine '%s' runs%s, and nobody listens at its socket %s/control: it begins or ends; where it "
		       "stays so, 'salvor vm stop --force %s' ends it",
		       machine->name, machine_folder_pid_text(machine->folder, pid), machine->folder, machine->name);
}

static bool refuse(const struct thin_machine *machine, int errnum, struct err **errp)
{
	if (errnum == ENOENT || errnum == ECONNREFUSED || errnum == ECONNRESET || errnum == EPIPE)
		return tell_unheard(machine, errp);
	if (errnum == EAGAIN)
		return err_set(errp, ERR_BUSY, "machine '%s' does not answer; 'salvor vm stop --force %s' ends it",
			       machine->name, machine->name);
	return err_set_errno(errp, errnum, "machine '%s': its control socket", machine->name);
}

bool thin_socket_fits(const char *path, struct err **errp)
{
	size_t room = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	return strlen(path) <= room ||
	       err_set(errp, ERR_USAGE,
		       "the path of a socket has at most %zu bytes, and this is longer: %s: take a shorter name, or "
		       "set SALVOR_STATE_DIR to a shorter folder",
		       room, path);
}

/* For a socket to take what it is sent; 0 would be for ever. */
static struct timeval patience_until(uint64_t until)
{
	uint64_t now = clock_monotonic_ns(), us = until > now ? (until - now) / 1000 : 0;
	return (struct timeval){.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000 + !us)};
}

static int connect_to(const struct thin_machine *machine, uint64_t until, struct err **errp)
{
	const struct timeval patience = patience_until(until);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	AUTO(freep) char *path = thin_machine_file(machine, "control");
	if (!path) {
		err_set_no_memory(errp);
		return -1;
	}
	if (!thin_socket_fits(path, errp))
		return -1;
	memcpy(address.sun_path, path, strlen(path));
	AUTO(file_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return STEAL_FD(&fd);
	refuse(machine, errno, errp);
	return -1;
}

/* One line, without its line feed. Byte by byte: what is behind it is not ours to take. */
static bool read_line(const struct thin_machine *machine, int fd, uint64_t until, char line[ANSWER_MAX],
		      struct err **errp)
{
	for (size_t len = 0; len < ANSWER_MAX;) {
		if (!machine_await(fd, until))
			return refuse(machine, EAGAIN, errp);
		ssize_t got = recv(fd, line + len, 1, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return refuse(machine, got < 0 ? errno : ECONNREFUSED, errp);
		if (line[len] == '\n') {
			line[len] = '\0';
			return true;
		}
		len++;
	}
	return err_set(errp, ERR_CORRUPT, "machine '%s': its answer has no end", machine->name);
}

static bool ask(const struct thin_machine *machine, int fd, const char *word, uint64_t until, struct json **ret,
		struct err **errp)
{
	char line[ANSWER_MAX];
	AUTO(freep) char *order = file_format("{\"do\": \"%s\"}\n", word);
	if (!order)
		return err_set_no_memory(errp);
	if (send(fd, order, strlen(order), MSG_NOSIGNAL) != (ssize_t)strlen(order))
		return refuse(machine, errno, errp);
	if (!read_line(machine, fd, until, line, errp))
		return false;
	AUTO(json_freep) struct json *answer = json_parse(line, "its answer", errp);
	if (!answer)
		return err_prefix(errp, "machine '%s'", machine->name);
	const char *error = json_get_text(answer, "error");
	if (error)
		return err_set(errp, ERR_BUSY, "machine '%s': %s", machine->name, error);
	if (!json_get_text(answer, "state"))
		return err_set(errp, ERR_CORRUPT, "machine '%s': its answer does not say how it is", machine->name);
	*ret = STEAL(&answer);
	return true;
}

bool thin_machine_order(const struct thin_machine *machine, const char *word, uint64_t until, struct json **ret,
			struct err **errp)
{
	AUTO(file_closep) int fd = connect_to(machine, until, errp);
	return fd >= 0 && ask(machine, fd, word, until, ret, errp);
}

int thin_machine_console(const struct thin_machine *machine, struct err **errp)
{
	uint64_t until = thin_machine_until(THIN_PATIENCE_MS);
	AUTO(json_freep) struct json *answer = NULL;
	AUTO(file_closep) int fd = connect_to(machine, until, errp);
	return fd >= 0 && ask(machine, fd, "console", until, &answer, errp) ? STEAL_FD(&fd) : -1;
}
