/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a running machine is spoken to: a UNIX socket for orders, and one for the guest agent. docs/vm.md has the
 * protocol.
 *
 *	client ──► one JSON object a line: {"do": "status"} … ──► answered by one line
 *	              └─ {"do": "console"}: answered, and from then on the serial line itself, both ways
 *	agent's client ──► raw bytes to and from the guest agent's port, as virsh and qemu-ga's other clients want them
 *
 * All of it runs in the main thread, which calls control_serve() when control_fd() is readable. What the guest
 * says comes from the thread of the slow devices, into the channels of channel.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"

struct control;
struct err;
struct machine;
struct serial_log;

#define CONTROL_LINE_MAX 4096  /* bytes of an order, with its line feed */
#define CONTROL_CLIENTS_MAX 16 /* who comes when all are taken waits */
#define CONTROL_DESCRIPTORS 8

struct control_options {
	const char *name;	       /* the machine's, for answers and messages; borrowed */
	const char *socket;	       /* where it listens; a socket that nobody serves any more is replaced */
	const char *agent;	       /* likewise, for the guest agent; NULL: nowhere */
	struct serial_log *serial_log; /* what the serial line says is appended here; borrowed */
};

/* Makes the sockets, for their owner (and root) alone. ERR_BUSY where another machine serves one. The machine is
 * borrowed. */
NODISCARD struct control *control_new(struct machine *machine, const struct control_options *options,
				      struct err **errp);
void control_free(struct control *control);
DEFINE_AUTO_FREE(struct control, control_free);
/* Descriptors that must stay open in jail. Returns how many. */
size_t control_descriptors(const struct control *control, int ret[CONTROL_DESCRIPTORS]);
/* Listens to the machine, whose threads then call the control: the machine is freed first. While it is paused. */
void control_start(struct control *control);
int control_fd(const struct control *control);
/* Does all that has come up, without waiting for anyone. */
void control_serve(struct control *control);
/* Somebody has ordered the end. */
bool control_wants_end(const struct control *control);
