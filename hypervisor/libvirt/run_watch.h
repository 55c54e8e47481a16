/* SPDX-License-Identifier: Apache-2.0 */
/* What libvirt tells of one machine, kept so that it can be asked and waited for. */
#pragma once

#include <libvirt/libvirt.h>

#include "base/compiler.h"
#include "hypervisor/runner.h"

struct err;
struct watch;

/* Of the domain of that name, which may not exist yet. connection is borrowed; changed may be NULL. */
NODISCARD struct watch *watch_start(virConnectPtr connection, const char *name, void (*changed)(void *arg), void *arg,
				    struct err **errp);
/* Becomes readable when the machine has ended; borrowed. */
int watch_ended_fd(const struct watch *watch);
void watch_look(struct watch *watch, struct run_state *ret);
/* It was killed by us: its end is to be told as that. */
void watch_note_killed(struct watch *watch);
/* `changed` is not called any more. NULL is fine. */
void watch_stop(struct watch *watch);
