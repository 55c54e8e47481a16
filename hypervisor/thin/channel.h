/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes between one port of the guest and one client of ours, who comes and goes.
 *
 *	guest ──► channel_hear(), any thread ──► waiting ──► main thread ──► client's socket
 *	guest ◄── tell() ◄── main thread ◄── held ◄── client's socket
 *
 * Neither side is waited for. What the guest says while there is no client is nobody's; a client that lets
 * CHANNEL_WAITING_MAX bytes wait is sent away; and from a client whose last bytes the guest has no room for
 * nothing more is read until it has.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct err;
struct machine;

#define CHANNEL_WAITING_MAX (1 << 20)
#define CHANNEL_HELD_MAX 4096

/* machine_type() or machine_tell_agent(). */
typedef size_t channel_tell_function(struct machine *machine, const uint8_t *data, size_t size);

struct channel {
	struct machine *machine;
	channel_tell_function *tell;
	int wake;   /* eventfd: something waits */
	int client; /* a non-blocking socket of the channel's; -1: none */

	pthread_mutex_t lock; /* of the next two */
	bool listening;
	struct bytes waiting;

	size_t sent; /* of waiting */
	uint8_t held[CHANNEL_HELD_MAX];
	size_t n_held;
};

NODISCARD bool channel_init(struct channel *channel, struct machine *machine, channel_tell_function *tell,
			    struct err **errp);
void channel_release(struct channel *channel);
/* From any thread. */
void channel_hear(struct channel *channel, const uint8_t *data, size_t size);

/* The rest is the main thread's. */

/* Takes over the socket. */
void channel_connect(struct channel *channel, int client);
void channel_disconnect(struct channel *channel);
/* wake is readable, or the client can take more. False when the client is gone, or is to go. */
bool channel_send(struct channel *channel);
/* Something waits to be sent. */
bool channel_has_waiting(struct channel *channel);
/* The client can be read from. False when it is gone. */
bool channel_receive(struct channel *channel);
/* Tries again with what the guest had no room for. True when nothing is held any more. */
bool channel_tell_held(struct channel *channel);
