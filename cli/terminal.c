/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

struct terminal {
	int fd;
	struct termios before;
	bool silent;
};

static void terminal_release(struct terminal *terminal)
{
	if (terminal->silent)
		tcsetattr(terminal->fd, TCSAFLUSH, &terminal->before);
	file_closep(&terminal->fd);
}

/* Stopping is off, too: a shell that takes over meanwhile would show what is typed after coming back. */
static bool terminal_hide(struct terminal *terminal, struct err **errp)
{
	if (tcgetattr(terminal->fd, &terminal->before) < 0)
		return err_set_errno(errp, errno, "the terminal");
	struct termios silent = terminal->before;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	silent.c_lflag |= ICANON | ISIG | ECHONL;
	silent.c_cc[VSUSP] = _POSIX_VDISABLE;
	if (tcsetattr(terminal->fd, TCSAFLUSH, &silent) < 0)
		return err_set_errno(errp, errno, "the terminal");
	terminal->silent = true;
	return true;
}

/* Signals are let in only while it waits, so that none comes between the look at `cancel` and the wait. */
static bool wait_for_input(int fd, const struct cancel *cancel, struct err **errp)
{
	sigset_t interruptions, before;
	sigemptyset(&interruptions);
	sigaddset(&interruptions, SIGINT);
	sigaddset(&interruptions, SIGTERM);
	sigprocmask(SIG_BLOCK, &interruptions, &before);
	struct pollfd input = {.fd = fd, .events = POLLIN};
	int outcome = 0;
	bool go_on;
	while ((go_on = cancel_check(cancel, errp)) && outcome <= 0) {
		outcome = ppoll(&input, 1, NULL, &before);
		if (outcome < 0 && errno != EINTR)
			outcome = 1; /* read() will say what is wrong */
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return go_on;
}

static bool read_line(int fd, const struct cancel *cancel, char *ret, size_t max, size_t *ret_len, struct err **errp)
{
	size_t len = 0;
	for (;;) {
		char byte;
		if (!wait_for_input(fd, cancel, errp))
			return false;
		ssize_t n = read(fd, &byte, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set_errno(errp, errno, "the terminal");
		if (n == 0 || byte == '\n')
			break;
		if (len < max)
			ret[len] = byte;
		len++;
	}
	*ret_len = len;
	return true;
}

bool terminal_ask_secret(const char *question, const struct cancel *cancel, char *ret, size_t max, size_t *ret_len,
			 struct err **errp)
{
	AUTO(terminal_release) struct terminal terminal = {.fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
	if (terminal.fd < 0)
		return err_set(errp, ERR_NOT_FOUND, "there is no terminal to ask at");
	if (!terminal_hide(&terminal, errp))
		return false;
	if (write(terminal.fd, question, strlen(question)) < 0)
		return err_set_errno(errp, errno, "the terminal");
	return read_line(terminal.fd, cancel, ret, max, ret_len, errp);
}
