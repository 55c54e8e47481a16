/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory slots are numbered in the order in which they come, and none is ever taken away. Interrupts go as KVM routes
 * them from the beginning: line n to pin n of both the PICs and the I/O APIC.
 */
#include "hypervisor/thin/vm.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/guest_memory.h"

/* Three pages for Intel's real mode and one for its identity map, right below where firmware may lie. */
#define IDENTITY_MAP UINT64_C(0xfeffc000)
#define TASK_STATE 0xfeffd000UL

enum { API_VERSION = 12, MISSING_SIZE = 512 };

struct vm {
	int kvm, fd;
	unsigned slots;
	bool rings; /* doorbells of any size */
};

struct vm_state {
	struct kvm_irqchip chips[3]; /* both PICs, and the I/O APIC */
	struct kvm_pit_state2 pit;
};

struct capability {
	int number;
	const char *name;
};

static const struct capability needed[] = {
	{KVM_CAP_USER_MEMORY, "USER_MEMORY"},
	{KVM_CAP_READONLY_MEM, "READONLY_MEM"},
	{KVM_CAP_SET_TSS_ADDR, "SET_TSS_ADDR"},
	{KVM_CAP_SET_IDENTITY_MAP_ADDR, "SET_IDENTITY_MAP_ADDR"},
	{KVM_CAP_IRQCHIP, "IRQCHIP"},
	{KVM_CAP_PIT2, "PIT2"},
	{KVM_CAP_PIT_STATE2, "PIT_STATE2"},
	{KVM_CAP_SIGNAL_MSI, "SIGNAL_MSI"},
	{KVM_CAP_EXT_CPUID, "EXT_CPUID"},
	{KVM_CAP_IMMEDIATE_EXIT, "IMMEDIATE_EXIT"},
	{KVM_CAP_MP_STATE, "MP_STATE"},
	{KVM_CAP_VCPU_EVENTS, "VCPU_EVENTS"},
	{KVM_CAP_DEBUGREGS, "DEBUGREGS"},
	{KVM_CAP_XSAVE, "XSAVE"},
	{KVM_CAP_XCRS, "XCRS"},
};

static bool has(int kvm, int capability)
{
	return ioctl(kvm, KVM_CHECK_EXTENSION, capability) > 0;
}

static bool has_needed(int kvm, struct err **errp)
{
	char missing[MISSING_SIZE] = "";
	size_t used = 0;
	for (size_t i = 0; i < ARRAY_LENGTH(needed); i++)
		if (!has(kvm, needed[i].number))
			used += (size_t)snprintf(missing + used, sizeof(missing) - used, " KVM_CAP_%s", needed[i].name);
	return used == 0 || err_set(errp, ERR_UNSUPPORTED, "KVM of this host cannot run machines, it lacks%s", missing);
}

static bool could_not_open(const char *path, int errnum, struct err **errp)
{
	if (errnum == ENOENT || errnum == ENODEV || errnum == ENXIO)
		return err_set(errp, ERR_UNSUPPORTED,
			       "%s is not there: this host has no hardware virtualization, it is switched off in its "
			       "firmware, or the kernel module kvm_intel or kvm_amd is not loaded",
			       path);
	if (errnum == EACCES || errnum == EPERM)
		return err_set(errp, ERR_DENIED, "this user may not open %s, which usually belongs to the group 'kvm'",
			       path);
	return err_set_errno(errp, errnum, "%s", path);
}

int vm_open_kvm(const char *path, struct err **errp)
{
	AUTO(file_closep) int kvm = open(path, O_RDWR | O_CLOEXEC);
	if (kvm < 0) {
		could_not_open(path, errno, errp);
		return -1;
	}
	int version = ioctl(kvm, KVM_GET_API_VERSION, 0);
	if (version < 0)
		err_set(errp, ERR_UNSUPPORTED, "%s is not KVM", path);
	else if (version != API_VERSION)
		err_set(errp, ERR_UNSUPPORTED, "%s speaks version %d of KVM's API, not %d", path, version, API_VERSION);
	else if (has_needed(kvm, errp))
		return STEAL_FD(&kvm);
	return -1;
}

static bool add_slot(struct vm *vm, struct kvm_userspace_memory_region region, struct err **errp)
{
	region.slot = vm->slots;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) != 0)
		return err_set_errno(errp, errno, "KVM does not take %llu KiB of memory at 0x%llx",
				     region.memory_size >> 10, region.guest_phys_addr);
	vm->slots++;
	return true;
}

static bool add_memory(struct vm *vm, const struct guest_memory *memory, struct err **errp)
{
	struct guest_memory_part parts[2];
	size_t n = guest_memory_parts(memory, parts);
	for (size_t i = 0; i < n; i++) {
		struct kvm_userspace_memory_region region = {.guest_phys_addr = parts[i].address,
							     .memory_size = parts[i].size,
							     .userspace_addr = (uintptr_t)parts[i].host};
		if (!add_slot(vm, region, errp))
			return false;
	}
	return true;
}

static bool add_chips(struct vm *vm, struct err **errp)
{
	uint64_t identity_map = IDENTITY_MAP;
	/* Port 0x61 switches its third channel, and tells of it: what firmware and kernels calibrate by. */
	struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) != 0 ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, TASK_STATE) != 0)
		return err_set_errno(errp, errno, "KVM does not take its pages for real mode");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) != 0)
		return err_set_errno(errp, errno, "KVM makes no interrupt controllers");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) != 0)
		return err_set_errno(errp, errno, "KVM makes no timer");
	return true;
}

/* A triple fault that KVM has noticed and not yet told is part of a vCPU's state then (vcpu_state.c). KVM of Linux
 * before 6.1 keeps it to itself. */
static bool show_triple_faults(const struct vm *vm, struct err **errp)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_X86_TRIPLE_FAULT_EVENT, .args = {true}};
	return !has(vm->kvm, KVM_CAP_X86_TRIPLE_FAULT_EVENT) || ioctl(vm->fd, KVM_ENABLE_CAP, &cap) == 0 ||
	       err_set_errno(errp, errno, "KVM does not tell of triple faults");
}

struct vm *vm_new(int kvm, const struct guest_memory *memory, struct err **errp)
{
	AUTO(vm_freep) struct vm *vm = calloc(1, sizeof(*vm));
	if (!vm) {
		err_set_no_memory(errp);
		return NULL;
	}
	vm->kvm = kvm;
	vm->rings = has(kvm, KVM_CAP_IOEVENTFD) && has(kvm, KVM_CAP_IOEVENTFD_ANY_LENGTH);
	vm->fd = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0) {
		err_set_errno(errp, errno, "KVM makes no machine");
		return NULL;
	}
	bool ok = show_triple_faults(vm, errp) && add_chips(vm, errp) && add_memory(vm, memory, errp);
	return ok ? STEAL(&vm) : NULL;
}

void vm_free(struct vm *vm)
{
	if (!vm)
		return;
	file_closep(&vm->fd);
	free(vm);
}

bool vm_add_read_only(struct vm *vm, uint64_t address, const void *data, size_t size, struct err **errp)
{
	assert(address % GUEST_PAGE == 0 && size % GUEST_PAGE == 0 && (uintptr_t)data % GUEST_PAGE == 0);
	struct kvm_userspace_memory_region region = {.flags = KVM_MEM_READONLY,
						     .guest_phys_addr = address,
						     .memory_size = size,
						     .userspace_addr = (uintptr_t)data};
	return add_slot(vm, region, errp);
}

static void set_line(void *arg, enum line line, bool level)
{
	const struct vm *vm = arg;
	struct kvm_irq_level irq = {.irq = (uint32_t)line, .level = level};
	int result = ioctl(vm->fd, KVM_IRQ_LINE, &irq);
	assert(result == 0);
}

/* Where the guest had the message sent to is its own affair: one to nobody is lost. */
static void send_message(void *arg, uint64_t address, uint32_t data)
{
	const struct vm *vm = arg;
	struct kvm_msi message = {
		.address_lo = (uint32_t)address, .address_hi = (uint32_t)(address >> 32), .data = data};
	ioctl(vm->fd, KVM_SIGNAL_MSI, &message);
}

static bool ring_at(void *arg, uint64_t address, int eventfd, bool on)
{
	const struct vm *vm = arg;
	struct kvm_ioeventfd bell = {.addr = address, .fd = eventfd, .flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN};
	return vm->rings && ioctl(vm->fd, KVM_IOEVENTFD, &bell) == 0;
}

struct chips vm_chips(struct vm *vm)
{
	return (struct chips){.set_line = set_line, .send_message = send_message, .ring_at = ring_at, .arg = vm};
}

struct vm_state *vm_save(const struct vm *vm, struct err **errp)
{
	AUTO(freep) struct vm_state *state = calloc(1, sizeof(*state));
	if (!state) {
		err_set_no_memory(errp);
		return NULL;
	}
	for (unsigned i = 0; i < ARRAY_LENGTH(state->chips); i++) {
		state->chips[i].chip_id = i;
		if (ioctl(vm->fd, KVM_GET_IRQCHIP, &state->chips[i]) != 0) {
			err_set_errno(errp, errno, "KVM does not tell the state of interrupt controller %u", i);
			return NULL;
		}
	}
	if (ioctl(vm->fd, KVM_GET_PIT2, &state->pit) != 0) {
		err_set_errno(errp, errno, "KVM does not tell the state of the timer");
		return NULL;
	}
	return STEAL(&state);
}

bool vm_load(struct vm *vm, const struct vm_state *state, struct err **errp)
{
	if (ioctl(vm->fd, KVM_SET_PIT2, &state->pit) != 0)
		return err_set_errno(errp, errno, "KVM does not take the state of the timer");
	for (size_t i = 0; i < ARRAY_LENGTH(state->chips); i++)
		if (ioctl(vm->fd, KVM_SET_IRQCHIP, &state->chips[i]) != 0)
			return err_set_errno(errp, errno, "KVM does not take the state of interrupt controller %zu", i);
	return true;
}

int vm_fd(const struct vm *vm)
{
	return vm->fd;
}

int vm_kvm(const struct vm *vm)
{
	return vm->kvm;
}
