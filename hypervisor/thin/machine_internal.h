/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a machine share: what it is made of (machine.c), its states (machine_life.c), and what devices and
 * vCPUs tell of it (machine_events.c). */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor/thin/board.h"
#include "hypervisor/thin/machine.h"
#include "hypervisor/thin/machine_config.h"
#include "hypervisor/thin/vcpu.h"
#include "hypervisor/thin/watchdog.h"

struct guest_memory;
struct machine_boot;
struct machine_devices;
struct vm;
struct vm_state;

enum {
	MACHINE_LAST_WORDS = 4096,
	MACHINE_EVIDENCE = 512,
	MACHINE_SENTENCE = sizeof(((struct machine_status *)0)->sentence)
};

/* What came up in other threads and waits for the main thread. The first that ends the machine, and its sentence, stay.
 */
struct machine_news {
	bool restart, trouble;
	enum machine_pauser by; /* of the trouble */
	enum machine_end end;
	char sentence[MACHINE_SENTENCE]; /* of the end; or, without one, of the trouble */
	char loss[MACHINE_SENTENCE];	 /* the last; empty: none */
};

struct machine {
	const struct machine_config *config;
	struct guest_memory *memory;
	struct vm *vm;
	struct board board;
	struct machine_devices *devices;
	struct machine_boot *boot;
	struct vcpu *vcpus[MACHINE_VCPUS_MAX];
	unsigned n_vcpus;
	bool has_threads;

	/* As they were made: what a restart puts back. */
	struct vcpu_state *vcpu_states[MACHINE_VCPUS_MAX];
	struct vm_state *vm_state;

	int *descriptors;
	size_t n_descriptors;

	/* Of the main thread. */
	struct machine_status status;
	struct watchdog watchdog;
	bool boot_judged; /* a system runs, or it was told that there is none to boot */
	int events;	  /* epoll of the two below */
	int happened;
	int timer; /* of the watchdog */

	pthread_mutex_t lock; /* of the news */
	struct machine_news news;
};

/* No vCPU is in the guest any more, no worker in a device, and none begins: what one of them asks of another, such as
 * that all stop, is over. Machines that were not started are so anyway. */
void machine_park(struct machine *machine);
/* Opens `events`, `happened` and `timer`. */
NODISCARD bool machine_open_events(struct machine *machine, struct err **errp);
struct happenings machine_happenings(struct machine *machine);
/* For a vCPU: vcpu_failed_function. */
void machine_vcpu_failed(void *arg, enum vcpu_failure failure, const char *sentence, const char *evidence);
/* Takes what came up. */
struct machine_news machine_take_news(struct machine *machine);
/* Of a device that was told on the way to the clean point, and whose request is no more behind a restart. */
void machine_forget_trouble(struct machine *machine);
