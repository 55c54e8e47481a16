/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/vm.h"

enum { ESCAPE = 0x1d /* Ctrl-] */, BUFFER_SIZE = 4096 };

/* The terminal as it was, while it is in raw mode. */
struct terminal {
	bool raw;
	struct termios before;
};

static void enter_raw_mode(struct terminal *terminal)
{
	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &terminal->before) < 0)
		return;
	struct termios raw = terminal->before;
	cfmakeraw(&raw);
	terminal->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void leave_raw_mode(struct terminal *terminal)
{
	if (terminal->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &terminal->before);
	terminal->raw = false;
}

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = fd == STDOUT_FILENO ? write(fd, data, len) : send(fd, data, len, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		data += done;
		len -= (size_t)done;
	}
	return true;
}

/* False at the end: the machine's, or of whoever reads along. */
static bool relay_guest(int guest)
{
	char data[BUFFER_SIZE];
	ssize_t got = read(guest, data, sizeof(data));
	if (got < 0 && errno == EINTR)
		return true;
	return got > 0 && write_all(STDOUT_FILENO, data, (size_t)got);
}

/* False at the escape. The end of input is not the end of the console. */
static bool relay_input(int *input, int guest)
{
	char data[BUFFER_SIZE];
	ssize_t got = read(*input, data, sizeof(data));
	if (got < 0 && errno == EINTR)
		return true;
	if (got <= 0) {
		*input = -1;
		return true;
	}
	const char *escape = memchr(data, ESCAPE, (size_t)got);
	size_t len = escape ? (size_t)(escape - data) : (size_t)got;
	return write_all(guest, data, len) && !escape;
}

/* poll() passes over descriptors of -1. */
static void relay(int guest, const struct cancel *cancel)
{
	int input = STDIN_FILENO;
	while (!cancel_requested(cancel)) {
		struct pollfd ready[] = {{.fd = guest, .events = POLLIN}, {.fd = input, .events = POLLIN}};
		if (poll(ready, ARRAY_LENGTH(ready), -1) < 0 && errno != EINTR)
			return;
		if (ready[0].revents && !relay_guest(guest))
			return;
		if (ready[1].revents && !relay_input(&input, guest))
			return;
	}
}

bool vm_console(struct context *context, const struct thin_machine *machine, struct err **errp)
{
	AUTO(leave_raw_mode) struct terminal terminal = {0};
	if (context->options.json)
		return err_set(errp, ERR_USAGE, "'vm console' has no --json: it is the serial line itself");
	AUTO(file_closep) int guest = thin_machine_console(machine, errp);
	if (guest < 0)
		return false;
	log_info("the serial line of %s; %s leaves, and the machine runs on", machine->name,
		 isatty(STDIN_FILENO) ? "Ctrl-]" : "SIGTERM");
	enter_raw_mode(&terminal);
	relay(guest, &context->cancel);
	return true;
}
