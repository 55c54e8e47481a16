/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the NBD server says while it serves: each failed read is told by a line on its standard error. Somebody must
 * read them, or the server waits for room in the pipe and serves nobody any more.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "restore/export.h"

enum { EXPORT_LINE_MAX = 512 };

struct export_relay {
	int fd;
	export_complaint_function *complain;
	void *arg;
	atomic_bool *met_damage;
	char last[EXPORT_LINE_MAX]; /* once the thread ended, or before it began: the server's last words */
	enum export_complaint last_kind;
	bool running;
	pthread_t thread;
};

/* Without complain, lines are read and nobody hears them. fd is borrowed until export_relay_join(). */
NODISCARD bool export_relay_start(struct export_relay *relay, int fd, const struct export_options *options,
				  struct err **errp);
/* When the server is gone. */
void export_relay_join(struct export_relay *relay);
/* Without what nbdkit puts before a sentence: its name, the connection's, and the plugin's; and without its mark. */
const char *export_relay_plain(const char *line, enum export_complaint *ret_kind);
