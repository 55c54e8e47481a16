/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One processor of the guest, and the thread that runs it.
 *
 *	new ──► (start) ──► parked ◄──► running ──► free
 *	                      ▲            │
 *	                      └── failed ──┘
 *
 * Parked is a clean point: the last instruction that came out of the guest is finished, so that all of its state is in
 * KVM. A vCPU that failed parks by itself, and can be put back and go on.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct board;
struct err;
struct kvm_cpuid2;
struct vcpu;
struct vcpu_state;
struct vm;

enum vcpu_failure {
	VCPU_CRASHED,	/* the guest's doing: a triple fault */
	VCPU_CANNOT,	/* KVM could not run an instruction, or enter the guest at all */
	VCPU_NO_MEMORY, /* the host found no page for the guest; it may go on later */
	VCPU_RESTART,	/* KVM tells that the guest asked for it */
	VCPU_POWER_OFF,
};

/* Called in the vCPU's thread, before it parks. The evidence is for who knows processors. Returns at once. */
typedef void vcpu_failed_function(void *arg, enum vcpu_failure failure, const char *sentence, const char *evidence);

struct vcpu_options {
	struct vm *vm;
	const struct board *board; /* whose buses answer */
	unsigned index;
	const struct kvm_cpuid2 *cpuid;
	bool caches_memory; /* from the beginning, as firmware leaves it: a kernel that finds caches off makes no use
			     * of page attributes, and warns where processors differ */
	vcpu_failed_function *failed;
	void *arg;
};

/* All but the table of CPUID is borrowed for as long as it lives. */
NODISCARD struct vcpu *vcpu_new(const struct vcpu_options *options, struct err **errp);
/* Its thread begins, and is parked. */
NODISCARD bool vcpu_start(struct vcpu *vcpu, struct err **errp);
/* Ends and joins the thread, if there is one. NULL is fine. */
void vcpu_free(struct vcpu *vcpu);
DEFINE_AUTO_FREE(struct vcpu, vcpu_free);

/* It shall park as soon as it comes out of the guest by itself. Any thread, its own too; returns at once, and makes no
 * system call. */
void vcpu_ask_to_park(struct vcpu *vcpu);
/* Brings it out of the guest and blocks until it is parked. Several are asked first, so that they come out together. */
void vcpu_park(struct vcpu *vcpu);
void vcpu_go_on(struct vcpu *vcpu);

/* The next functions are for a parked vCPU, or one that was not started. */

/* All state that a guest can tell; freed with free(). The clock is not in it: put back, the vCPU's TSC begins at zero.
 */
NODISCARD struct vcpu_state *vcpu_save(const struct vcpu *vcpu, struct err **errp);
NODISCARD bool vcpu_load(struct vcpu *vcpu, const struct vcpu_state *state, struct err **errp);

/* Registers as a kernel's boot protocol asks for (Linux, Documentation/x86/boot.rst, "64-bit boot protocol"): flat
 * segments, long mode with paging on by the tables at cr3, and the boot parameters in RSI. */
struct vcpu_long_mode {
	uint64_t rip, rsp, rsi, cr3, gdt;
};
NODISCARD bool vcpu_enter_long_mode(struct vcpu *vcpu, const struct vcpu_long_mode *entry, struct err **errp);

/* What a watchdog wants to know of a running vCPU. */
struct vcpu_glance {
	uint64_t exits; /* how often it came out for this process to answer */
	uint64_t rip;
	bool interruptible; /* RFLAGS.IF */
	bool waits;	    /* halted, or not begun */
};
/* Asks for a glance (the vCPU comes out of the guest for a moment), which is there a little later. A parked
 * one gives none. Main thread. */
void vcpu_ask_for_glance(struct vcpu *vcpu);
/* False where none has come since the last one was taken. */
bool vcpu_take_glance(struct vcpu *vcpu, struct vcpu_glance *ret);
/* The state of the processor in words, as evidence: "at RIP 0x…, CR0 …, in real mode; bytes …; last exits: …". */
void vcpu_describe(const struct vcpu *vcpu, char *text, size_t size);
/* Borrowed. */
int vcpu_fd(const struct vcpu *vcpu);
