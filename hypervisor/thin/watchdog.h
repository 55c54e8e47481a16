/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells a guest that can make no progress any more from one that is idle or busy: for WATCHDOG_GLANCES glances in a
 * row, a vCPU was at the same instruction with interrupts off, not halted, and nothing came out of it, while all other
 * vCPUs did the same or wait. Such a guest hangs in a loop of one instruction, or KVM tries over and over to run what
 * it cannot.
 */
#pragma once

#include <stdbool.h>

#include "hypervisor/thin/machine_config.h"
#include "hypervisor/thin/vcpu.h"

enum { WATCHDOG_SECONDS = 10 /* between glances */, WATCHDOG_GLANCES = 6 };

struct watchdog {
	struct watchdog_vcpu {
		struct vcpu_glance last;
		unsigned same; /* glances in a row that were alike, and at which it could not go on */
	} vcpus[MACHINE_VCPUS_MAX];
};

/* Forgets all, as after a pause or a restart. */
void watchdog_reset(struct watchdog *watchdog);
void watchdog_see(struct watchdog *watchdog, unsigned vcpu, const struct vcpu_glance *glance);
/* True where none of that many vCPUs makes progress; *ret_vcpu is one that hangs. */
bool watchdog_barks(const struct watchdog *watchdog, unsigned vcpus, unsigned *ret_vcpu);
