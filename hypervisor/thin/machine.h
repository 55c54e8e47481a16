/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One machine: its memory, chips, devices and threads, and the one place that knows its state.
 *
 *	                 ┌──────────── pause ────────────┐
 *	new ──► paused ──┤                               ├──► ended (why)
 *	          ▲      └─ go_on ──► running ──► restart│
 *	          └──────────────────────┴── trouble     ┘
 *
 * Paused is a clean point: no vCPU is in the guest, no worker in a device, and no request is half done.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;
struct machine;
struct machine_config;

enum machine_state { MACHINE_PAUSED, MACHINE_RUNNING, MACHINE_ENDED };

enum machine_end {
	MACHINE_GOES_ON,
	MACHINE_POWERED_OFF, /* by its guest */
	MACHINE_CRASHED,     /* triple fault, or what KVM could not run: the log has the evidence */
	MACHINE_BROKE,	     /* this process or its host */
};

/* Whose pause it is. A person's stays one, whatever comes behind it. */
enum machine_pauser {
	MACHINE_BY_PERSON, /* by order, or it was never let go on */
	MACHINE_BY_DISK,   /* what serves a disk is away */
	MACHINE_BY_HOST,   /* it has no room, or no memory */
	MACHINE_BY_GUEST,  /* it hangs, or finds nothing to boot */
};

struct machine_status {
	enum machine_state state;
	enum machine_pauser by; /* while it is paused */
	enum machine_end end;
	unsigned restarts;
	char sentence[512]; /* why it paused or ended, for a person; empty where a person did it */
	char loss[512];	    /* what it lacks until it is started anew; empty: nothing */
};

/* Opens everything that it needs, for good: image, TAP, /dev/kvm. Then the process may be jailed. kvm is an open
 * /dev/kvm, see vm_open_kvm(). Both are borrowed for as long as it lives. */
NODISCARD struct machine *machine_new(const struct machine_config *config, int kvm, struct err **errp);
/* The descriptors that must stay open, ascending; borrowed. */
const int *machine_descriptors(const struct machine *machine, size_t *ret_n);
/* Threads begin; it is then paused. In jail. */
NODISCARD bool machine_start(struct machine *machine, struct err **errp);
/* In any state it runs no more, and all disks are flushed: what could not be written is told in the log. Blocks until
 * that is done. Then it can be looked at and freed; machine_free() alone flushes nothing. In the main thread. */
void machine_finish(struct machine *machine);
void machine_free(struct machine *machine);
DEFINE_AUTO_FREE(struct machine, machine_free);

/* All of these are called by the main thread alone. */

/* Becomes readable when the state may be another one, or trouble was told; machine_serve() then does what has come up
 * (a restart, a pause for trouble, the end) and reads it empty. */
int machine_event_fd(const struct machine *machine);
void machine_serve(struct machine *machine);
void machine_look(const struct machine *machine, struct machine_status *ret);
/* Blocks until it is at a clean point: as long as the disk request in flight. One that is paused already is a
 * person's from then on. */
void machine_pause(struct machine *machine);
void machine_go_on(struct machine *machine);
/* Presses the ACPI power button. */
void machine_press_power(struct machine *machine);
void machine_restart(struct machine *machine);
/* What the guest's serial line says goes to the callback, in the thread of the slow devices; what a person types comes
 * by machine_type(). */
typedef void machine_heard_function(void *arg, const uint8_t *data, size_t size);
void machine_listen(struct machine *machine, machine_heard_function *heard, void *arg);
/* Returns how many bytes it took: the line has a small buffer. */
size_t machine_type(struct machine *machine, const uint8_t *data, size_t size);
/* The guest agent's channel: bytes from and to the port "org.qemu.guest_agent.0". Same rules as of the line. */
void machine_listen_agent(struct machine *machine, machine_heard_function *heard, void *arg);
size_t machine_tell_agent(struct machine *machine, const uint8_t *data, size_t size);
