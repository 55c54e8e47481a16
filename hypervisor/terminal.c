/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/terminal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { ESCAPE = 0x1d /* Ctrl-] */ };

void terminal_enter(struct terminal *terminal, int fd)
{
	terminal->fd = -1;
	if (fd < 0 || !isatty(fd) || tcgetattr(fd, &terminal->before) < 0)
		return;
	struct termios raw = terminal->before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSANOW, &raw) == 0)
		terminal->fd = fd;
}

void terminal_leave(struct terminal *terminal)
{
	if (terminal->fd >= 0)
		tcsetattr(terminal->fd, TCSANOW, &terminal->before);
	terminal->fd = -1;
}

size_t terminal_typed(const char *data, size_t len, bool *ret_leaves)
{
	const char *escape = memchr(data, ESCAPE, len);
	*ret_leaves = escape;
	return escape ? (size_t)(escape - data) : len;
}

bool terminal_write(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t done = TEMP_FAILURE_RETRY(write(fd, data, len));
		if (done <= 0)
			return false;
		data += done;
		len -= (size_t)done;
	}
	return true;
}
