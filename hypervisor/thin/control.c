/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An epoll of its own holds all that control_serve() has to look at. It takes one event at a time, so that
 * nothing that an event ends is named by another event that was fetched with it.
 *
 *	client: free ──accept──► orders ──"console"──► its socket is the console channel's, and it is free again
 *	          ▲                │
 *	          └────────────────┘ gone, or a line too long
 */
#include "hypervisor/thin/control.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "hypervisor/thin/channel.h"
#include "hypervisor/thin/control_orders.h"
#include "hypervisor/thin/machine.h"
#include "hypervisor/thin/serial_log.h"

enum { AGAIN_MIN_MS = 5, AGAIN_MAX_MS = 250, BACKLOG = 8 };

/* What is typed behind the order for the console is held whole. */
static_assert(CHANNEL_HELD_MAX >= CONTROL_LINE_MAX, "a line's rest must fit");

/* What an event is of. */
enum kind { ORDERS_LISTENER, AGENT_LISTENER, CLIENT, WAKE, PORT, TIMER };

struct source {
	enum kind kind;
	int fd;		 /* -1: none */
	uint32_t events; /* that are waited for */
	void *of;	 /* the client, or the port */
};

struct client {
	struct source source;
	char line[CONTROL_LINE_MAX];
	size_t len;
};

/* A channel, and what is waited for on its two descriptors. */
struct port {
	struct channel channel;
	struct source wake, client;
};

struct control {
	struct control_options options;
	struct machine *machine;
	int epoll;
	struct source listener, agent_listener, timer;
	struct client clients[CONTROL_CLIENTS_MAX];
	struct port console, agent;
	unsigned again_ms; /* until the guest is asked again whether it has room */
	bool timer_set;
	bool wants_end;
};

/* ---- what is waited for ---- */

static void watch(struct control *control, struct source *source, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = source};
	if (source->events == events)
		return;
	int how = events == 0 ? EPOLL_CTL_DEL : source->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	if (epoll_ctl(control->epoll, how, source->fd, &event) != 0)
		log_error("control: cannot wait for a descriptor: %s", strerror(errno));
	source->events = events;
}

static struct client *free_client(struct control *control)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i].source.fd < 0)
			return &control->clients[i];
	return NULL;
}

/* Who comes when there is no room waits in the socket's queue. */
static void watch_listeners(struct control *control)
{
	watch(control, &control->listener, free_client(control) ? EPOLLIN : 0);
	if (control->agent_listener.fd >= 0)
		watch(control, &control->agent_listener, control->agent.channel.client < 0 ? EPOLLIN : 0);
}

/* Bytes that the guest had no room for. */
static size_t held(const struct control *control)
{
	return control->console.channel.n_held + control->agent.channel.n_held;
}

/* A machine that does not run makes no room: it is asked again when an order has let it go on. One that is set stays,
 * so that it comes however often this is called. */
static void set_timer(struct control *control)
{
	const struct itimerspec soon = {.it_value = {.tv_nsec = control->again_ms * 1000000L}};
	struct machine_status status;
	machine_look(control->machine, &status);
	if (control->timer_set || status.state != MACHINE_RUNNING || held(control) == 0)
		return;
	timerfd_settime(control->timer.fd, 0, &soon, NULL);
	control->timer_set = true;
}

/* ---- channels ---- */

static void end_port(struct control *control, struct port *port)
{
	if (port->channel.client < 0)
		return;
	watch(control, &port->client, 0);
	channel_disconnect(&port->channel);
	port->client.fd = -1;
	watch_listeners(control);
}

/* Reads while nothing is held for the guest, and hears of room while something waits for the client. */
static void watch_port(struct control *control, struct port *port)
{
	uint32_t events = EPOLLHUP | (port->channel.n_held == 0 ? (uint32_t)EPOLLIN : 0) |
			  (channel_has_waiting(&port->channel) ? (uint32_t)EPOLLOUT : 0);
	if (port->channel.client >= 0)
		watch(control, &port->client, events);
	set_timer(control);
}

static void connect_port(struct control *control, struct port *port, int fd)
{
	port->client.fd = fd;
	channel_connect(&port->channel, fd);
	watch_port(control, port);
	watch_listeners(control);
}

static void serve_port(struct control *control, struct port *port, enum kind kind, uint32_t events)
{
	bool ok = true;
	if (kind == WAKE || (events & EPOLLOUT))
		ok = channel_send(&port->channel);
	if (ok && kind == PORT && (events & EPOLLIN))
		ok = channel_receive(&port->channel);
	else if (kind == PORT && (events & (EPOLLHUP | EPOLLERR)))
		ok = false;
	if (ok)
		watch_port(control, port);
	else
		end_port(control, port);
}

static void tell_held(struct control *control)
{
	uint64_t count;
	ssize_t got = read(control->timer.fd, &count, sizeof(count));
	(void)got;
	size_t before = held(control);
	control->timer_set = false;
	channel_tell_held(&control->console.channel);
	channel_tell_held(&control->agent.channel);
	control->again_ms = held(control) < before ? AGAIN_MIN_MS : 2 * control->again_ms;
	if (control->again_ms > AGAIN_MAX_MS)
		control->again_ms = AGAIN_MAX_MS;
	watch_port(control, &control->console);
	watch_port(control, &control->agent);
}

/* ---- clients ---- */

static void end_client(struct control *control, struct client *client)
{
	watch(control, &client->source, 0);
	file_closep(&client->source.fd);
	client->len = 0;
	watch_listeners(control);
}

/* An answer fits into an empty socket; a client that does not read its answers is none. */
static bool send_answer(const struct client *client, const char *answer)
{
	AUTO(freep) char *line = answer ? file_format("%s\n", answer) : NULL;
	return line &&
	       send(client->source.fd, line, strlen(line), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(line);
}

/* What the client has typed behind its order is for the guest. */
static void become_console(struct control *control, struct client *client, const char *rest, size_t n)
{
	struct port *console = &control->console;
	int fd = client->source.fd;
	watch(control, &client->source, 0);
	client->source.fd = -1;
	client->len = 0;
	connect_port(control, console, fd);
	console->channel.n_held = n;
	memcpy(console->channel.held, rest, console->channel.n_held);
	channel_tell_held(&console->channel);
	watch_port(control, console);
}

/* Performs the first line, which ends at `end`. False when the client is one no more. */
static bool perform_line(struct control *control, struct client *client, char *end)
{
	const struct order_place place = {.machine = control->machine,
					  .name = control->options.name,
					  .console_taken = control->console.channel.client >= 0};
	AUTO(freep) char *answer = NULL;
	size_t used = (size_t)(end + 1 - client->line);
	*end = '\0';
	enum order_outcome outcome = order_perform(&place, client->line, &answer);
	control->wants_end = control->wants_end || outcome == ORDER_END;
	set_timer(control); /* it may go on */
	if (!send_answer(client, answer)) {
		end_client(control, client);
		return false;
	}
	if (outcome == ORDER_CONSOLE) {
		become_console(control, client, end + 1, client->len - used);
		return false;
	}
	client->len -= used;
	memmove(client->line, end + 1, client->len);
	return true;
}

static void serve_client(struct control *control, struct client *client)
{
	ssize_t got =
		recv(client->source.fd, client->line + client->len, sizeof(client->line) - client->len, MSG_DONTWAIT);
	if (got < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (got <= 0) {
		end_client(control, client);
		return;
	}
	client->len += (size_t)got;
	for (char *end; (end = memchr(client->line, '\n', client->len));)
		if (!perform_line(control, client, end))
			return;
	if (client->len < sizeof(client->line))
		return;
	send_answer(client, "{\"ok\": false, \"error\": \"the order is too long\"}");
	end_client(control, client);
}

static int accept_from(const struct source *listener)
{
	return accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void accept_client(struct control *control)
{
	struct client *client = free_client(control);
	int fd = client ? accept_from(&control->listener) : -1;
	if (fd < 0)
		return;
	client->source = (struct source){.kind = CLIENT, .fd = fd, .of = client};
	watch(control, &client->source, EPOLLIN);
	watch_listeners(control);
}

static void accept_agent(struct control *control)
{
	int fd = accept_from(&control->agent_listener);
	if (fd >= 0)
		connect_port(control, &control->agent, fd);
}

void control_serve(struct control *control)
{
	struct epoll_event event;
	if (epoll_wait(control->epoll, &event, 1, 0) != 1)
		return;
	struct source *source = event.data.ptr;
	switch (source->kind) {
	case ORDERS_LISTENER:
		accept_client(control);
		break;
	case AGENT_LISTENER:
		accept_agent(control);
		break;
	case CLIENT:
		serve_client(control, source->of);
		break;
	case WAKE:
	case PORT:
		serve_port(control, source->of, source->kind, event.events);
		break;
	case TIMER:
		tell_held(control);
		break;
	}
}

/* ---- what the guest says: from the thread of the slow devices ---- */

static void hear_console(void *arg, const uint8_t *data, size_t size)
{
	struct control *control = arg;
	serial_log_append(control->options.serial_log, data, size);
	channel_hear(&control->console.channel, data, size);
}

static void hear_agent(void *arg, const uint8_t *data, size_t size)
{
	struct control *control = arg;
	channel_hear(&control->agent.channel, data, size);
}

void control_start(struct control *control)
{
	machine_listen(control->machine, hear_console, control);
	machine_listen_agent(control->machine, hear_agent, control);
}

/* ---- life ---- */

/* A socket of this path that nobody listens at was left by somebody who was killed. */
static bool remove_stale(const struct sockaddr_un *address, struct err **errp)
{
	struct stat st;
	if (lstat(address->sun_path, &st) != 0)
		return errno == ENOENT || err_set_errno(errp, errno, "%s", address->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(errp, ERR_EXISTS, "%s is there already, and is no socket", address->sun_path);
	AUTO(file_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set_errno(errp, errno, "make a socket");
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
		return err_set(errp, ERR_BUSY, "another machine serves the socket %s", address->sun_path);
	return unlink(address->sun_path) == 0 || err_set_errno(errp, errno, "%s", address->sun_path);
}

static int listen_at(const char *path, struct err **errp)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!*path) {
		/* It would be an abstract one, which no mode protects. */
		err_set(errp, ERR_USAGE, "a socket needs a path that is not empty");
		return -1;
	}
	if (strlen(path) >= sizeof(address.sun_path)) {
		err_set(errp, ERR_USAGE, "the path is too long for a socket: %s", path);
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	AUTO(file_closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		err_set_errno(errp, errno, "make a socket");
		return -1;
	}
	if (!remove_stale(&address, errp))
		return -1;
	/* Of the socket itself, before it has a name: nobody else connects in between. */
	if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(fd, BACKLOG) != 0) {
		err_set_errno(errp, errno, "serve the socket %s", path);
		return -1;
	}
	return STEAL_FD(&fd);
}

static bool open_port(struct control *control, struct port *port, channel_tell_function *tell, struct err **errp)
{
	bool ok = channel_init(&port->channel, control->machine, tell, errp);
	port->wake = (struct source){.kind = WAKE, .fd = port->channel.wake, .of = port};
	port->client = (struct source){.kind = PORT, .fd = -1, .of = port};
	return ok;
}

static bool open_sources(struct control *control, struct err **errp)
{
	/* Both, so that both can be released. */
	bool console = open_port(control, &control->console, machine_type, errp);
	if (!console || !open_port(control, &control->agent, machine_tell_agent, errp))
		return false;
	control->epoll = epoll_create1(EPOLL_CLOEXEC);
	control->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (control->epoll < 0 || control->timer.fd < 0)
		return err_set_errno(errp, errno, "set up the control socket");
	control->listener.fd = listen_at(control->options.socket, errp);
	if (control->listener.fd < 0)
		return false;
	if (!control->options.agent)
		return true;
	control->agent_listener.fd = listen_at(control->options.agent, errp);
	return control->agent_listener.fd >= 0;
}

static void prepare(struct control *control, struct machine *machine, const struct control_options *options)
{
	*control = (struct control){.options = *options,
				    .machine = machine,
				    .epoll = -1,
				    .again_ms = AGAIN_MIN_MS,
				    .listener = {.kind = ORDERS_LISTENER, .fd = -1},
				    .agent_listener = {.kind = AGENT_LISTENER, .fd = -1},
				    .timer = {.kind = TIMER, .fd = -1}};
	control->console.channel.client = control->console.channel.wake = -1;
	control->agent.channel.client = control->agent.channel.wake = -1;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		control->clients[i].source.fd = -1;
}

/* The first object makes the library open /dev/urandom, for its hashes: that is for now, before the jail. */
static bool begin_json(struct err **errp)
{
	AUTO(json_freep) struct json *first = json_new_object();
	return first || err_set_no_memory(errp);
}

struct control *control_new(struct machine *machine, const struct control_options *options, struct err **errp)
{
	AUTO(control_freep) struct control *control = malloc(sizeof(*control));
	if (!control) {
		err_set_no_memory(errp);
		return NULL;
	}
	prepare(control, machine, options);
	if (!open_sources(control, errp) || !begin_json(errp))
		return NULL;
	watch(control, &control->timer, EPOLLIN);
	watch(control, &control->console.wake, EPOLLIN);
	watch(control, &control->agent.wake, EPOLLIN);
	watch_listeners(control);
	return STEAL(&control);
}

void control_free(struct control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		file_closep(&control->clients[i].source.fd);
	channel_release(&control->console.channel);
	channel_release(&control->agent.channel);
	file_closep(&control->listener.fd);
	file_closep(&control->agent_listener.fd);
	file_closep(&control->timer.fd);
	file_closep(&control->epoll);
	free(control);
}

size_t control_descriptors(const struct control *control, int ret[CONTROL_DESCRIPTORS])
{
	const int all[] = {control->epoll,
			   control->listener.fd,
			   control->agent_listener.fd,
			   control->timer.fd,
			   control->console.channel.wake,
			   control->agent.channel.wake,
			   control->options.serial_log->fd};
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
		if (all[i] >= 0)
			ret[n++] = all[i];
	return n;
}

int control_fd(const struct control *control)
{
	return control->epoll;
}

bool control_wants_end(const struct control *control)
{
	return control->wants_end;
}
