/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes out of the guest (Linux, Documentation/virt/kvm/api.rst, section 5): accesses to the two buses, which are
 * answered at once, and the ends of a vCPU, which are told in words.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hypervisor/thin/board.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/vcpu_internal.h"

enum { EVIDENCE_SIZE = 512, WHAT_SIZE = 120 };

/* KVM's codes for emulation that failed, section 5 of the same document. */
static const char *const internal_errors[] = {
	[0] = "an internal error of KVM",
	[KVM_INTERNAL_ERROR_EMULATION] = "an instruction that KVM here cannot emulate",
	[KVM_INTERNAL_ERROR_SIMUL_EX] = "two faults at once that KVM cannot tell apart",
	[KVM_INTERNAL_ERROR_DELIVERY_EV] = "a fault while KVM brought an event to the guest",
	[KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON] =
		"the processor left the guest for a reason that KVM does not know",
};

static uint64_t load(const uint8_t *from, unsigned size)
{
	uint64_t value = 0;
	memcpy(&value, from, size);
	return value;
}

static bool is_size(unsigned size)
{
	return size == 1 || size == 2 || size == 4 || size == 8;
}

static void keep(struct vcpu *vcpu, const struct vcpu_access *access)
{
	vcpu->trail[vcpu->exits++ % VCPU_TRAIL] = *access;
}

/* An access of 3 or 5 bytes, which crosses what no device has two sides of, is answered by nobody. */
static void answer(struct vcpu *vcpu, struct bus *bus, struct vcpu_access *access, uint8_t *data)
{
	access->value = access->write ? load(data, access->size) : UINT64_MAX;
	if (is_size(access->size) && access->write)
		bus_write(bus, access->address, access->size, access->value);
	else if (is_size(access->size))
		access->value = bus_read(bus, access->address, access->size);
	if (!access->write)
		memcpy(data, &access->value, access->size);
	keep(vcpu, access);
}

/* A string instruction brings several at once. */
static void answer_ports(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	struct vcpu_access access = {.address = run->io.port,
				     .size = run->io.size,
				     .port = true,
				     .write = run->io.direction == KVM_EXIT_IO_OUT};
	for (uint32_t i = 0; i < run->io.count; i++, data += access.size)
		answer(vcpu, vcpu->options.board->ports, &access, data);
}

static void answer_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct vcpu_access access = {
		.address = run->mmio.phys_addr, .size = (uint8_t)run->mmio.len, .write = run->mmio.is_write};
	answer(vcpu, vcpu->options.board->mmio, &access, run->mmio.data);
}

static bool fail(struct vcpu *vcpu, enum vcpu_failure failure, const char *what)
{
	char evidence[EVIDENCE_SIZE];
	vcpu_describe(vcpu, evidence, sizeof(evidence));
	vcpu->options.failed(vcpu->options.arg, failure, what, evidence);
	return false;
}

static bool fail_internally(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint32_t kind = run->internal.suberror;
	bool known = kind < ARRAY_LENGTH(internal_errors) && internal_errors[kind];
	return fail(vcpu, VCPU_CANNOT, internal_errors[known ? kind : 0]);
}

static bool fail_with_number(struct vcpu *vcpu, const char *what, uint64_t number)
{
	char text[WHAT_SIZE];
	snprintf(text, sizeof(text), "%s 0x%" PRIx64, what, number);
	return fail(vcpu, VCPU_CANNOT, text);
}

static bool handle_system_event(struct vcpu *vcpu)
{
	switch (vcpu->run->system_event.type) {
	case KVM_SYSTEM_EVENT_SHUTDOWN:
		return fail(vcpu, VCPU_POWER_OFF, "the guest switched itself off");
	case KVM_SYSTEM_EVENT_RESET:
		return fail(vcpu, VCPU_RESTART, "the guest asked for a restart");
	case KVM_SYSTEM_EVENT_CRASH:
		return fail(vcpu, VCPU_CRASHED, "the guest says that it crashed");
	default:
		return fail_with_number(vcpu, "KVM tells of an unknown event", vcpu->run->system_event.type);
	}
}

bool vcpu_handle_exit(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		answer_ports(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		answer_mmio(vcpu);
		return true;
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		return true;
	case KVM_EXIT_SHUTDOWN:
		return fail(vcpu, VCPU_CRASHED, "triple fault: a fault in the guest that its handlers could not take");
	case KVM_EXIT_SYSTEM_EVENT:
		return handle_system_event(vcpu);
	case KVM_EXIT_INTERNAL_ERROR:
		return fail_internally(vcpu);
	case KVM_EXIT_FAIL_ENTRY:
		return fail_with_number(vcpu, "the processor refuses to enter the guest, hardware's reason",
					run->fail_entry.hardware_entry_failure_reason);
	case KVM_EXIT_UNKNOWN:
		return fail_with_number(vcpu, "the processor left the guest for an unknown reason,",
					run->hw.hardware_exit_reason);
	default:
		return fail_with_number(vcpu, "KVM left the guest with what nobody asked for, exit reason",
					run->exit_reason);
	}
}

void vcpu_handle_error(struct vcpu *vcpu, int errnum)
{
	char what[WHAT_SIZE];
	if (errnum == EFAULT || errnum == ENOMEM) {
		(void)fail(vcpu, VCPU_NO_MEMORY, "the host has no memory for the guest's pages");
		return;
	}
	snprintf(what, sizeof(what), "KVM does not run the guest: %s", strerrordesc_np(errnum));
	(void)fail(vcpu, VCPU_CANNOT, what);
}
