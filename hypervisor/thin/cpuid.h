/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processor that a guest sees: what KVM supports here, without what this hypervisor does not carry, and with the
 * place of each vCPU in one package of cores (Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E).
 *
 * Left out: nested virtualization, performance counters, SGX, AMX, processor trace, memory encryption. All of them have
 * state that cannot be saved and put back everywhere.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;
struct kvm_cpuid2;

struct cpuid_place {
	unsigned vcpu, vcpus; /* number of this one, which is its APIC id, and how many there are */
	bool tsc_deadline;    /* KVM's APIC has that timer */
};

/* What KVM supports. The caller frees it with free(). */
NODISCARD struct kvm_cpuid2 *cpuid_supported(int kvm, struct err **errp);
/* The table for one vCPU; asks nobody. The caller frees it with free(). */
NODISCARD struct kvm_cpuid2 *cpuid_for(const struct kvm_cpuid2 *supported, const struct cpuid_place *place,
				       struct err **errp);
