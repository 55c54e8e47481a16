/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/export_relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"

static const char *without_names(const char *line)
{
	static const char said_by[] = "nbdkit: ", error[] = "error: ";
	if (strncmp(line, said_by, sizeof(said_by) - 1) != 0)
		return line;
	const char *plain = strstr(line, error);
	return plain ? plain + sizeof(error) - 1 : line + sizeof(said_by) - 1;
}

const char *export_relay_plain(const char *line, enum export_complaint *ret_kind)
{
	static const char *const marks[] = {
		[EXPORT_UNREADABLE] = EXPORT_UNREADABLE_MARK,
		[EXPORT_DAMAGE] = EXPORT_DAMAGE_MARK,
		[EXPORT_HEALED] = EXPORT_HEALED_MARK,
	};
	const char *plain = without_names(line);
	*ret_kind = EXPORT_REMARK;
	for (enum export_complaint kind = EXPORT_UNREADABLE; kind <= EXPORT_HEALED; kind++) {
		if (strncmp(plain, marks[kind], strlen(marks[kind])) == 0) {
			*ret_kind = kind;
			return plain + strlen(marks[kind]);
		}
	}
	return plain;
}

/* Of no server's end the cause. */
static void keep_last(struct export_relay *relay, enum export_complaint kind, const char *plain)
{
	if (kind == EXPORT_HEALED)
		return;
	snprintf(relay->last, sizeof(relay->last), "%s", plain);
	relay->last_kind = kind;
}

/* A client that reads a damaged place again and again is told of once. */
static void pass_on(struct export_relay *relay, const char *line)
{
	enum export_complaint kind;
	const char *plain = export_relay_plain(line, &kind);
	if (!*plain || strcmp(plain, relay->last) == 0)
		return;
	keep_last(relay, kind, plain);
	if (relay->met_damage && kind == EXPORT_DAMAGE)
		atomic_store(relay->met_damage, true);
	if (relay->complain)
		relay->complain(relay->arg, kind, plain);
}

/* Takes whole lines off the front; one that is too long is passed on in pieces. */
static size_t pass_on_lines(struct export_relay *relay, char *text, size_t len)
{
	char *line = text, *end;
	while ((end = memchr(line, '\n', len - (size_t)(line - text)))) {
		*end = '\0';
		pass_on(relay, line);
		line = end + 1;
	}
	size_t rest = len - (size_t)(line - text);
	if (rest == EXPORT_LINE_MAX - 1) {
		line[rest] = '\0';
		pass_on(relay, line);
		return 0;
	}
	memmove(text, line, rest);
	return rest;
}

static void *relay_lines(void *arg)
{
	struct export_relay *relay = arg;
	char text[EXPORT_LINE_MAX];
	size_t len = 0;
	for (;;) {
		ssize_t got = TEMP_FAILURE_RETRY(read(relay->fd, text + len, sizeof(text) - 1 - len));
		if (got <= 0)
			return NULL;
		len = pass_on_lines(relay, text, len + (size_t)got);
	}
}

bool export_relay_start(struct export_relay *relay, int fd, const struct export_options *options, struct err **errp)
{
	*relay = (struct export_relay){.fd = fd,
				       .complain = options->complain,
				       .arg = options->complain_arg,
				       .met_damage = options->met_damage};
	relay->running = thread_start(&relay->thread, "nbd-relay", relay_lines, relay, errp);
	return relay->running;
}

void export_relay_join(struct export_relay *relay)
{
	if (relay->running)
		pthread_join(relay->thread, NULL);
	relay->running = false;
}
