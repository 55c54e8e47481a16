/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

bool channel_init(struct channel *channel, struct machine *machine, channel_tell_function *tell, struct err **errp)
{
	*channel = (struct channel){.machine = machine, .tell = tell, .wake = -1, .client = -1};
	pthread_mutex_init(&channel->lock, NULL);
	bytes_init(&channel->waiting, CHANNEL_WAITING_MAX);
	channel->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return channel->wake >= 0 || err_set_errno(errp, errno, "make an eventfd");
}

void channel_release(struct channel *channel)
{
	file_closep(&channel->client);
	file_closep(&channel->wake);
	bytes_release(&channel->waiting);
	pthread_mutex_destroy(&channel->lock);
}

static void wake_up(struct channel *channel)
{
	ssize_t written = write(channel->wake, &(uint64_t){1}, sizeof(uint64_t));
	(void)written; /* its counter is full: it is awake */
}

void channel_hear(struct channel *channel, const uint8_t *data, size_t size)
{
	pthread_mutex_lock(&channel->lock);
	bool listening = channel->listening;
	if (listening)
		bytes_put(&channel->waiting, data, size);
	pthread_mutex_unlock(&channel->lock);
	if (listening)
		wake_up(channel);
}

static void forget(struct channel *channel, bool listening)
{
	pthread_mutex_lock(&channel->lock);
	channel->listening = listening;
	bytes_release(&channel->waiting);
	bytes_init(&channel->waiting, CHANNEL_WAITING_MAX);
	pthread_mutex_unlock(&channel->lock);
	channel->sent = channel->n_held = 0;
}

void channel_connect(struct channel *channel, int client)
{
	channel->client = client;
	forget(channel, true);
}

void channel_disconnect(struct channel *channel)
{
	forget(channel, false);
	file_closep(&channel->client);
}

/* Under the lock: one send, of all that waits. */
static bool send_waiting(struct channel *channel)
{
	struct bytes *waiting = &channel->waiting;
	while (channel->sent < waiting->len) {
		ssize_t done = send(channel->client, waiting->data + channel->sent, waiting->len - channel->sent,
				    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return errno == EAGAIN;
		channel->sent += (size_t)done;
	}
	bytes_clear(waiting);
	channel->sent = 0;
	return true;
}

bool channel_send(struct channel *channel)
{
	uint64_t count;
	ssize_t got = read(channel->wake, &count, sizeof(count));
	(void)got; /* nothing to read: it is the client that can take more */
	pthread_mutex_lock(&channel->lock);
	bool ok = bytes_ok(&channel->waiting) && (channel->client < 0 || send_waiting(channel));
	pthread_mutex_unlock(&channel->lock);
	return ok;
}

bool channel_has_waiting(struct channel *channel)
{
	pthread_mutex_lock(&channel->lock);
	bool waits = channel->sent < channel->waiting.len;
	pthread_mutex_unlock(&channel->lock);
	return waits;
}

bool channel_receive(struct channel *channel)
{
	ssize_t got;
	do {
		got = recv(channel->client, channel->held + channel->n_held, CHANNEL_HELD_MAX - channel->n_held,
			   MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0 && errno == EAGAIN)
		return true;
	if (got <= 0)
		return false;
	channel->n_held += (size_t)got;
	channel_tell_held(channel);
	return true;
}

bool channel_tell_held(struct channel *channel)
{
	size_t took = channel->n_held > 0 ? channel->tell(channel->machine, channel->held, channel->n_held) : 0;
	channel->n_held -= took;
	memmove(channel->held, channel->held + took, channel->n_held);
	return channel->n_held == 0;
}
