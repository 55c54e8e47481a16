/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libvirt tells of each machine, kept so that it can be asked and waited for. libvirt takes a callback once for a
 * connection: so there is one board, which knows the watches of all machines by their names.
 */
#pragma once

#include <libvirt/libvirt.h>

#include "base/compiler.h"
#include "hypervisor/runner.h"

struct err;
struct watch;
struct watch_board;

/* connection is borrowed. */
NODISCARD struct watch_board *watch_board_open(virConnectPtr connection, struct err **errp);
/* When there is no watch any more. NULL is fine. */
void watch_board_close(struct watch_board *board);

/* Of the domain of that name, which may not exist yet; name is borrowed. changed may be NULL. */
NODISCARD struct watch *watch_start(struct watch_board *board, const char *name, void (*changed)(void *arg), void *arg,
				    struct err **errp);
/* Becomes readable when the machine has ended; borrowed. */
int watch_ended_fd(const struct watch *watch);
void watch_look(struct watch *watch, struct run_state *ret);
/* It is about to be killed by us: its end is to be told as that. */
void watch_note_killed(struct watch *watch);
/* `changed` is not called any more. NULL is fine. */
void watch_stop(struct watch *watch);
