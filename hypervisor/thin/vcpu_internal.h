/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a vCPU share: its thread (vcpu.c), its exits (vcpu_exit.c), its state (vcpu_state.c), its state in
 * words (vcpu_describe.c). */
#pragma once

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "hypervisor/thin/vcpu.h"

enum { VCPU_TRAIL = 8 };

enum vcpu_wish { VCPU_WANT_PARKED, VCPU_WANT_RUNNING, VCPU_WANT_ENDED };

/* An access that came out of the guest: kept as evidence. */
struct vcpu_access {
	uint64_t address, value;
	uint8_t size; /* 0: there was none */
	bool port, write;
};

struct vcpu {
	struct vcpu_options options;
	int fd;
	struct kvm_run *run; /* shared with KVM */
	size_t run_size;
	struct kvm_msrs *msrs; /* which are part of its state; values are nothing */

	pthread_t thread;
	bool has_thread;

	/* Under the lock, with `changed`; what makes run->immediate_exit 1 is told under it, too. */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum vcpu_wish wanted;
	bool parked;
	bool glance_wanted, has_glance;
	struct vcpu_glance glance;
	struct err *failure; /* of the thread's beginning */

	/* Of the thread alone; of others while it is parked. */
	struct vcpu_access trail[VCPU_TRAIL];
	uint64_t exits; /* trail[exits % VCPU_TRAIL] is the next to be overwritten */
};

/* An ioctl of the vCPU; an error names it. */
NODISCARD bool vcpu_call_named(const struct vcpu *vcpu, unsigned long request, const void *argument, const char *name,
			       struct err **errp);
#define vcpu_call(vcpu, request, argument, errp) vcpu_call_named((vcpu), (request), (argument), #request, (errp))

/* Chooses the MSRs of its state: those of a list of ours that KVM lets be read and put back. */
NODISCARD bool vcpu_choose_msrs(struct vcpu *vcpu, struct err **errp);
/* By the default type of its MTRRs. */
NODISCARD bool vcpu_cache_memory(struct vcpu *vcpu, struct err **errp);
/* Answers what came out of the guest. False where that was the end of it: `failed` was called then. */
NODISCARD bool vcpu_handle_exit(struct vcpu *vcpu);
/* KVM_RUN itself failed. */
void vcpu_handle_error(struct vcpu *vcpu, int errnum);
