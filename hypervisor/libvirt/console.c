/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/console.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/thread.h"
#include "hypervisor/terminal.h"

enum { BUFFER_SIZE = 4096 };

struct console {
	int in, out, listener, guest;
	enum run_voice voice;
	const struct run_watcher *watcher; /* NULL: none */
	int stop, escaped;		   /* eventfds */
	struct terminal terminal;
	pthread_t thread;
	bool running;
};

/* ---- relay ---- */

static ssize_t read_some(int fd, char *data, size_t size)
{
	ssize_t got;
	do {
		got = read(fd, data, size);
	} while (got < 0 && errno == EINTR);
	return got;
}

/* At its end the guest's side is closed; what it said was relayed by then. */
static void relay_guest(struct console *console)
{
	char data[BUFFER_SIZE];
	ssize_t got = read_some(console->guest, data, sizeof(data));
	if (got <= 0) {
		close(console->guest);
		console->guest = -1;
		return;
	}
	if (console->watcher)
		console->watcher->heard(console->watcher->arg, console->voice, data, (size_t)got);
	if (console->out >= 0 && !terminal_write(console->out, data, (size_t)got))
		console->out = -1;
}

static void relay_input(struct console *console)
{
	char data[BUFFER_SIZE];
	ssize_t got = read_some(console->in, data, sizeof(data));
	if (got <= 0) {
		console->in = -1; /* end of input is not the end of the machine */
		return;
	}
	bool leaves;
	size_t len = terminal_typed(data, (size_t)got, &leaves);
	/* A guest that is gone is noticed when it is read from. */
	if (console->guest >= 0 && !terminal_write(console->guest, data, len) && errno != EPIPE)
		console->in = -1;
	if (leaves && eventfd_write(console->escaped, 1) == 0)
		console->in = -1;
}

static void accept_guest(struct console *console)
{
	console->guest = accept4(console->listener, NULL, NULL, SOCK_CLOEXEC);
	if (console->guest < 0)
		return;
	close(console->listener);
	console->listener = -1;
}

/* poll() passes over descriptors of -1. */
static void *relay(void *arg)
{
	struct console *console = arg;
	for (;;) {
		struct pollfd ready[] = {
			{.fd = console->stop, .events = POLLIN},
			{.fd = console->listener, .events = POLLIN},
			{.fd = console->guest, .events = POLLIN},
			{.fd = console->in, .events = POLLIN},
		};
		if (poll(ready, ARRAY_LENGTH(ready), -1) < 0 && errno != EINTR)
			return NULL;
		if (ready[1].revents)
			accept_guest(console);
		if (ready[2].revents)
			relay_guest(console);
		else if (ready[0].revents)
			return NULL; /* what was still to be relayed is */
		if (ready[3].revents)
			relay_input(console);
	}
}

/* ---- start and stop ---- */

static bool listen_at(struct console *console, const char *path, struct err **errp)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(errp, ERR_FAILED, "%s is too long for a socket: set XDG_RUNTIME_DIR to a shorter folder",
			       path);
	memcpy(address.sun_path, path, strlen(path));
	console->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (console->listener < 0 || bind(console->listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0666) < 0 || listen(console->listener, 1) < 0)
		return err_set_errno(errp, errno, "console socket %s", path);
	return true;
}

static bool start(struct console *console, const char *path, struct err **errp)
{
	console->stop = eventfd(0, EFD_CLOEXEC);
	console->escaped = eventfd(0, EFD_CLOEXEC);
	if (console->stop < 0 || console->escaped < 0)
		return err_set_errno(errp, errno, "console");
	if (!listen_at(console, path, errp) || !thread_start(&console->thread, "console", relay, console, errp))
		return false;
	console->running = true;
	return true;
}

struct console *console_start(const char *path, const struct console_ends *ends, struct err **errp)
{
	struct console *console = malloc(sizeof(*console));
	if (!console) {
		err_set_no_memory(errp);
		return NULL;
	}
	*console = (struct console){.in = ends->in,
				    .out = ends->out,
				    .voice = ends->voice,
				    .watcher = ends->watcher,
				    .listener = -1,
				    .guest = -1,
				    .stop = -1,
				    .escaped = -1};
	terminal_enter(&console->terminal, console->in);
	if (!start(console, path, errp)) {
		console_stop(console);
		return NULL;
	}
	return console;
}

int console_escaped_fd(const struct console *console)
{
	return console->escaped;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void console_stop(struct console *console)
{
	if (!console)
		return;
	if (console->running && eventfd_write(console->stop, 1) == 0)
		pthread_join(console->thread, NULL);
	terminal_leave(&console->terminal);
	close_if_open(console->listener);
	close_if_open(console->guest);
	close_if_open(console->stop);
	close_if_open(console->escaped);
	free(console);
}
