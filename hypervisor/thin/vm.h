/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KVM's side of one machine, but for its vCPUs: memory slots, interrupt controllers, timer, doorbells
 * (Linux, Documentation/virt/kvm/api.rst).
 *
 * By thread, these ioctls are made of its descriptor once the machine runs: KVM_IRQ_LINE and KVM_SIGNAL_MSI by any,
 * KVM_IOEVENTFD by vCPUs and the main thread, all of vm_save() and vm_load() by the main thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "hypervisor/thin/board.h"

struct err;
struct guest_memory;
struct vm;
struct vm_state;

/* Opens /dev/kvm (or what is at that path), and looks whether it can host a machine. -1, and one sentence that says
 * what is missing: the device, the permission, the API's version, or the capabilities, by name. */
NODISCARD int vm_open_kvm(const char *path, struct err **errp);

/* All of the memory is RAM of the machine then. Both are borrowed for as long as it lives. */
NODISCARD struct vm *vm_new(int kvm, const struct guest_memory *memory, struct err **errp);
void vm_free(struct vm *vm);
DEFINE_AUTO_FREE(struct vm, vm_free);

/* Memory that the guest can read and run, and whose writes go nowhere: the firmware below 4 GiB. data and size are
 * multiples of GUEST_PAGE, and data is borrowed for as long as the machine lives. */
NODISCARD bool vm_add_read_only(struct vm *vm, uint64_t address, const void *data, size_t size, struct err **errp);
/* The chips of this machine, as devices see them. Valid as long as the machine. */
struct chips vm_chips(struct vm *vm);

/* Interrupt controllers and timer, as they are now, into what the caller frees with free(). At a clean point. */
NODISCARD struct vm_state *vm_save(const struct vm *vm, struct err **errp);
NODISCARD bool vm_load(struct vm *vm, const struct vm_state *state, struct err **errp);

/* For vcpu.c, and for the list of what stays open in jail. Borrowed. */
int vm_fd(const struct vm *vm);
int vm_kvm(const struct vm *vm);
