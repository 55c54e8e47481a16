/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine is made of, in this order: memory, KVM's machine with its chips, the buses, the devices on them,
 * vCPUs, and what is booted. It goes the other way round, parked, and the vCPUs before the devices that they call.
 */
#include "hypervisor/thin/machine.h"

#include <assert.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/bus.h"
#include "hypervisor/thin/cpuid.h"
#include "hypervisor/thin/guest_memory.h"
#include "hypervisor/thin/machine_boot.h"
#include "hypervisor/thin/machine_devices.h"
#include "hypervisor/thin/machine_internal.h"
#include "hypervisor/thin/vm.h"

static bool make_board(struct machine *machine, int kvm, struct err **errp)
{
	struct board *board = &machine->board;
	if (!(machine->memory = guest_memory_new(machine->config->memory, errp)) ||
	    !(machine->vm = vm_new(kvm, machine->memory, errp)) || !(board->ports = bus_new(errp)) ||
	    !(board->mmio = bus_new(errp)))
		return false;
	board->memory = machine->memory;
	board->chips = vm_chips(machine->vm);
	board->happenings = machine_happenings(machine);
	return true;
}

static bool make_vcpu(struct machine *machine, const struct kvm_cpuid2 *supported, struct err **errp)
{
	const struct cpuid_place place = {
		.vcpu = machine->n_vcpus,
		.vcpus = machine->config->vcpus,
		.tsc_deadline = ioctl(vm_kvm(machine->vm), KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0};
	AUTO(freep) struct kvm_cpuid2 *cpuid = cpuid_for(supported, &place, errp);
	if (!cpuid)
		return false;
	const struct vcpu_options options = {.vm = machine->vm,
					     .board = &machine->board,
					     .index = machine->n_vcpus,
					     .cpuid = cpuid,
					     .caches_memory = machine->config->kernel,
					     .failed = machine_vcpu_failed,
					     .arg = machine};
	struct vcpu *vcpu = vcpu_new(&options, errp);
	if (vcpu)
		machine->vcpus[machine->n_vcpus++] = vcpu;
	return vcpu;
}

/* The states are taken when all are there, since one that is made changes what others see of the interrupt controllers.
 */
static bool make_vcpus(struct machine *machine, int kvm, struct err **errp)
{
	AUTO(freep) struct kvm_cpuid2 *supported = cpuid_supported(kvm, errp);
	if (!supported)
		return false;
	while (machine->n_vcpus < machine->config->vcpus)
		if (!make_vcpu(machine, supported, errp))
			return false;
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		if (!(machine->vcpu_states[i] = vcpu_save(machine->vcpus[i], errp)))
			return false;
	machine->vm_state = vm_save(machine->vm, errp);
	return machine->vm_state;
}

static void count_descriptor(void *arg, int fd)
{
	(void)fd;
	++*(size_t *)arg;
}

static void add_descriptor(void *arg, int fd)
{
	struct machine *machine = arg;
	machine->descriptors[machine->n_descriptors++] = fd;
}

static void each_descriptor(const struct machine *machine, void (*call)(void *arg, int fd), void *arg)
{
	call(arg, machine->events);
	call(arg, machine->happened);
	call(arg, machine->timer);
	call(arg, vm_kvm(machine->vm));
	call(arg, vm_fd(machine->vm));
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		call(arg, vcpu_fd(machine->vcpus[i]));
	int files[MACHINE_BOOT_DESCRIPTORS];
	size_t n = machine_boot_descriptors(machine->boot, files);
	for (size_t i = 0; i < n; i++)
		call(arg, files[i]);
	machine_devices_each_descriptor(machine->devices, call, arg);
}

static int compare_descriptors(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;
	return (x > y) - (x < y);
}

static bool list_descriptors(struct machine *machine, struct err **errp)
{
	size_t n = 0;
	each_descriptor(machine, count_descriptor, &n);
	machine->descriptors = calloc(n, sizeof(machine->descriptors[0]));
	if (!machine->descriptors)
		return err_set_no_memory(errp);
	each_descriptor(machine, add_descriptor, machine);
	qsort(machine->descriptors, n, sizeof(machine->descriptors[0]), compare_descriptors);
	return true;
}

static bool make_all(struct machine *machine, int kvm, struct err **errp)
{
	return machine_open_events(machine, errp) && make_board(machine, kvm, errp) &&
	       (machine->devices = machine_devices_new(machine->config, &machine->board, errp)) &&
	       make_vcpus(machine, kvm, errp) &&
	       (machine->boot = machine_boot_new(machine->config, &machine->board, machine->vm, errp)) &&
	       list_descriptors(machine, errp);
}

struct machine *machine_new(const struct machine_config *config, int kvm, struct err **errp)
{
	assert(config->vcpus > 0 && config->vcpus <= MACHINE_VCPUS_MAX);
	AUTO(machine_freep) struct machine *machine = calloc(1, sizeof(*machine));
	if (!machine) {
		err_set_no_memory(errp);
		return NULL;
	}
	machine->config = config;
	machine->events = machine->happened = machine->timer = -1;
	pthread_mutex_init(&machine->lock, NULL);
	return make_all(machine, kvm, errp) ? STEAL(&machine) : NULL;
}

void machine_free(struct machine *machine)
{
	if (!machine)
		return;
	machine_park(machine); /* a vCPU that runs may ask all others to park, also one that was freed */
	for (unsigned i = 0; i < machine->n_vcpus; i++)
		vcpu_free(machine->vcpus[i]);
	machine_devices_free(machine->devices);
	machine_boot_free(machine->boot);
	bus_free(machine->board.ports);
	bus_free(machine->board.mmio);
	vm_free(machine->vm);
	guest_memory_free(machine->memory);
	for (unsigned i = 0; i < MACHINE_VCPUS_MAX; i++)
		free(machine->vcpu_states[i]);
	free(machine->vm_state);
	free(machine->descriptors);
	file_closep(&machine->events);
	file_closep(&machine->happened);
	file_closep(&machine->timer);
	pthread_mutex_destroy(&machine->lock);
	free(machine);
}

const int *machine_descriptors(const struct machine *machine, size_t *ret_n)
{
	*ret_n = machine->n_descriptors;
	return machine->descriptors;
}

int machine_event_fd(const struct machine *machine)
{
	return machine->events;
}

void machine_look(const struct machine *machine, struct machine_status *ret)
{
	*ret = machine->status;
}

void machine_press_power(struct machine *machine)
{
	machine_devices_press_power(machine->devices);
}

void machine_listen(struct machine *machine, machine_heard_function *heard, void *arg)
{
	machine_devices_listen(machine->devices, heard, arg);
}

size_t machine_type(struct machine *machine, const uint8_t *data, size_t size)
{
	return machine_devices_type(machine->devices, data, size);
}

void machine_listen_agent(struct machine *machine, machine_heard_function *heard, void *arg)
{
	machine_devices_listen_agent(machine->devices, heard, arg);
}

size_t machine_tell_agent(struct machine *machine, const uint8_t *data, size_t size)
{
	return machine_devices_tell_agent(machine->devices, data, size);
}
