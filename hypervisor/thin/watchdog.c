/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/watchdog.h"

#include <assert.h>
#include <string.h>

void watchdog_reset(struct watchdog *watchdog)
{
	memset(watchdog, 0, sizeof(*watchdog));
}

static bool is_stuck(const struct vcpu_glance *before, const struct vcpu_glance *now)
{
	return before->rip == now->rip && before->exits == now->exits && !now->interruptible && !now->waits;
}

void watchdog_see(struct watchdog *watchdog, unsigned vcpu, const struct vcpu_glance *glance)
{
	assert(vcpu < MACHINE_VCPUS_MAX);
	struct watchdog_vcpu *seen = &watchdog->vcpus[vcpu];
	seen->same = is_stuck(&seen->last, glance) ? seen->same + 1 : 0;
	seen->last = *glance;
}

bool watchdog_barks(const struct watchdog *watchdog, unsigned vcpus, unsigned *ret_vcpu)
{
	bool found = false;
	for (unsigned i = 0; i < vcpus; i++) {
		const struct watchdog_vcpu *seen = &watchdog->vcpus[i];
		if (seen->same < WATCHDOG_GLANCES && !seen->last.waits)
			return false;
		if (seen->last.waits || found)
			continue;
		found = true;
		*ret_vcpu = i;
	}
	return found;
}
