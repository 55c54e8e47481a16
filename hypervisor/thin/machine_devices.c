/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Order matters at the end: first no thread is in a device any more, then the PCI bus goes, which calls its functions,
 * then each transport, then its device.
 */
#include "hypervisor/thin/machine_devices.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/debug_console.h"
#include "hypervisor/thin/disk.h"
#include "hypervisor/thin/machine_config.h"
#include "hypervisor/thin/network.h"
#include "hypervisor/thin/pci.h"
#include "hypervisor/thin/power.h"
#include "hypervisor/thin/rtc.h"
#include "hypervisor/thin/serial.h"
#include "hypervisor/thin/virtio.h"
#include "hypervisor/thin/virtio_block.h"
#include "hypervisor/thin/virtio_console.h"
#include "hypervisor/thin/virtio_net.h"
#include "hypervisor/thin/virtio_pci.h"
#include "hypervisor/thin/virtio_rng.h"
#include "hypervisor/thin/worker.h"

#define AGENT_PORT "org.qemu.guest_agent.0"

enum { NAME_SIZE = 16, HEARD_AT_ONCE = 4096, FUNCTIONS_MAX = MACHINE_DISKS_MAX + MACHINE_NETWORKS_MAX + 2 };

/* A virtio device at its place on the PCI bus. */
struct function {
	struct virtio_device *device; /* borrowed */
	struct virtio_pci *transport;
	struct worker *worker; /* its own; NULL: the slow one */
};

struct machine_devices {
	const struct board *board;
	struct pci *pci;
	struct serial *serial;
	struct rtc *rtc;
	struct power *power;
	struct debug_console *debug_console;
	struct virtio_block *blocks[MACHINE_DISKS_MAX];
	size_t n_blocks;
	struct virtio_net *nets[MACHINE_NETWORKS_MAX];
	size_t n_nets;
	struct virtio_rng *rng;
	struct virtio_console *agent;
	struct function functions[FUNCTIONS_MAX];
	size_t n_functions;
	struct worker *slow;

	pthread_mutex_t lock; /* of these two */
	machine_devices_heard *heard;
	void *heard_arg;
};

static bool plug_in(struct machine_devices *devices, struct virtio_device *device, struct err **errp)
{
	assert(devices->n_functions < FUNCTIONS_MAX);
	struct function *function = &devices->functions[devices->n_functions];
	function->device = device;
	function->transport = virtio_pci_new(devices->board, devices->pci, device, errp);
	if (!function->transport)
		return false;
	devices->n_functions++;
	return true;
}

static struct disk *open_disk(const struct machine_disk_config *config, struct err **errp)
{
	if (config->nbd_socket)
		return disk_open_overlay(config->name, config->nbd_socket, config->nbd_export, config->path, errp);
	return disk_open_raw(config->name, config->path, config->read_only, errp);
}

static bool add_disk(struct machine_devices *devices, const struct machine_disk_config *config, struct err **errp)
{
	struct disk *disk = open_disk(config, errp);
	struct virtio_block *block = disk ? virtio_block_new(devices->board, disk, errp) : NULL;
	if (!block)
		return err_prefix(errp, "disk '%s'", config->name);
	devices->blocks[devices->n_blocks++] = block;
	return plug_in(devices, virtio_block_device(block), errp);
}

static struct network *open_network(const struct machine_network_config *config, struct err **errp)
{
	switch (config->kind) {
	case NETWORK_TAP:
		return network_open_tap(config->place, errp);
	case NETWORK_PASST:
		return network_open_passt(config->place, errp);
	}
	abort();
}

static bool add_network(struct machine_devices *devices, const struct machine_network_config *config, struct err **errp)
{
	char name[NAME_SIZE];
	snprintf(name, sizeof(name), "net%zu", devices->n_nets);
	struct network *network = open_network(config, errp);
	struct virtio_net *net = network ? virtio_net_new(devices->board, name, config->mac, network, errp) : NULL;
	if (!net)
		return err_prefix(errp, "network '%s'", name);
	devices->nets[devices->n_nets++] = net;
	return plug_in(devices, virtio_net_device(net), errp);
}

/* Disks come first on the bus: the firmware boots the first that it finds. */
static bool add_virtio(struct machine_devices *devices, const struct machine_config *config, struct err **errp)
{
	for (size_t i = 0; i < config->n_disks; i++)
		if (!add_disk(devices, &config->disks[i], errp))
			return false;
	for (size_t i = 0; i < config->n_networks; i++)
		if (!add_network(devices, &config->networks[i], errp))
			return false;
	devices->rng = virtio_rng_new(devices->board, errp);
	if (!devices->rng || !plug_in(devices, virtio_rng_device(devices->rng), errp))
		return false;
	devices->agent = virtio_console_new(devices->board, AGENT_PORT, errp);
	return devices->agent && plug_in(devices, virtio_console_device(devices->agent), errp);
}

static bool add_chipset(struct machine_devices *devices, const struct machine_config *config, struct err **errp)
{
	return (devices->pci = pci_new(devices->board, errp)) && (devices->serial = serial_new(devices->board, errp)) &&
	       (devices->rtc = rtc_new(devices->board, config->vcpus, clock_now_ns, errp)) &&
	       (devices->power = power_new(devices->board, clock_monotonic_ns, errp)) &&
	       (devices->debug_console = debug_console_new(devices->board, errp));
}

struct machine_devices *machine_devices_new(const struct machine_config *config, const struct board *board,
					    struct err **errp)
{
	AUTO(machine_devices_freep) struct machine_devices *devices = calloc(1, sizeof(*devices));
	if (!devices) {
		err_set_no_memory(errp);
		return NULL;
	}
	devices->board = board;
	pthread_mutex_init(&devices->lock, NULL);
	return add_chipset(devices, config, errp) && add_virtio(devices, config, errp) ? STEAL(&devices) : NULL;
}

static void free_virtio(struct machine_devices *devices)
{
	for (size_t i = 0; i < devices->n_functions; i++)
		virtio_pci_free(devices->functions[i].transport);
	for (size_t i = 0; i < devices->n_blocks; i++)
		virtio_block_free(devices->blocks[i]);
	for (size_t i = 0; i < devices->n_nets; i++)
		virtio_net_free(devices->nets[i]);
	virtio_rng_free(devices->rng);
	virtio_console_free(devices->agent);
}

void machine_devices_free(struct machine_devices *devices)
{
	if (!devices)
		return;
	for (size_t i = 0; i < devices->n_functions; i++)
		worker_free(devices->functions[i].worker);
	worker_free(devices->slow);
	pci_free(devices->pci);
	free_virtio(devices);
	serial_free(devices->serial);
	rtc_free(devices->rtc);
	power_free(devices->power);
	debug_console_free(devices->debug_console);
	pthread_mutex_destroy(&devices->lock);
	free(devices);
}

void machine_devices_each_descriptor(const struct machine_devices *devices, void (*call)(void *arg, int fd), void *arg)
{
	call(arg, serial_event_fd(devices->serial));
	call(arg, rtc_timer_fd(devices->rtc));
	for (size_t i = 0; i < devices->n_functions; i++) {
		int fds[VIRTIO_DESCRIPTORS_MAX];
		size_t n = virtio_descriptors(devices->functions[i].device, fds);
		for (size_t j = 0; j < n; j++)
			call(arg, fds[j]);
	}
}

/* What the guest says is taken from the line also when nobody listens: a guest must not wait for that. Returns how much
 * it was. */
static size_t hear_some(struct machine_devices *devices)
{
	uint8_t data[HEARD_AT_ONCE];
	size_t n = serial_hear(devices->serial, data, sizeof(data));
	pthread_mutex_lock(&devices->lock);
	if (n > 0 && devices->heard)
		devices->heard(devices->heard_arg, data, n);
	pthread_mutex_unlock(&devices->lock);
	return n;
}

static void hear(void *arg)
{
	(void)hear_some(arg);
}

static void tick(void *arg)
{
	rtc_tick(arg);
}

static enum jail_role role_of(const struct virtio_device *device)
{
	switch (device->type) {
	case VIRTIO_BLOCK:
		return JAIL_DISK;
	case VIRTIO_NETWORK:
		return JAIL_NETWORK;
	default:
		return JAIL_SLOW;
	}
}

static bool start_function(struct machine_devices *devices, struct function *function, struct err **errp)
{
	enum jail_role role = role_of(function->device);
	if (role != JAIL_SLOW) {
		function->worker = worker_new(function->device->name, role, errp);
		if (!function->worker)
			return false;
	}
	return virtio_watch(function->device, function->worker ? function->worker : devices->slow, errp);
}

bool machine_devices_start(struct machine_devices *devices, struct err **errp)
{
	devices->slow = worker_new("slow devices", JAIL_SLOW, errp);
	if (!devices->slow || !worker_watch(devices->slow, serial_event_fd(devices->serial), hear, devices, errp) ||
	    !worker_watch(devices->slow, rtc_timer_fd(devices->rtc), tick, devices->rtc, errp))
		return false;
	for (size_t i = 0; i < devices->n_functions; i++)
		if (!start_function(devices, &devices->functions[i], errp))
			return false;
	return true;
}

static void each_worker(struct machine_devices *devices, void (*call)(struct worker *worker))
{
	for (size_t i = 0; i < devices->n_functions; i++)
		if (devices->functions[i].worker)
			call(devices->functions[i].worker);
	call(devices->slow);
}

void machine_devices_park(struct machine_devices *devices)
{
	each_worker(devices, worker_park);
	while (hear_some(devices) > 0)
		continue; /* a guest's last words are worth having */
}

void machine_devices_go_on(struct machine_devices *devices)
{
	for (size_t i = 0; i < devices->n_functions; i++)
		virtio_kick_all(devices->functions[i].device);
	each_worker(devices, worker_go_on);
}

void machine_devices_flush(struct machine_devices *devices)
{
	for (size_t i = 0; i < devices->n_blocks; i++) {
		AUTO(err_freep) struct err *err = NULL;
		if (!virtio_block_flush(devices->blocks[i], &err))
			log_error("%s: what the guest wrote last may be lost: %s",
				  virtio_block_device(devices->blocks[i])->name, err_message(err));
	}
}

void machine_devices_reset(struct machine_devices *devices)
{
	pci_reset(devices->pci);
	for (size_t i = 0; i < devices->n_functions; i++)
		virtio_pci_reset(devices->functions[i].transport);
	serial_reset(devices->serial);
	rtc_reset(devices->rtc);
	power_reset(devices->power);
	debug_console_reset(devices->debug_console);
}

bool machine_devices_taken_over(const struct machine_devices *devices)
{
	for (size_t i = 0; i < devices->n_functions; i++)
		if (virtio_was_taken_over(devices->functions[i].device))
			return true;
	return false;
}

void machine_devices_press_power(struct machine_devices *devices)
{
	power_press(devices->power);
}

void machine_devices_listen(struct machine_devices *devices, machine_devices_heard *heard, void *arg)
{
	pthread_mutex_lock(&devices->lock);
	devices->heard = heard;
	devices->heard_arg = arg;
	pthread_mutex_unlock(&devices->lock);
}

size_t machine_devices_type(struct machine_devices *devices, const uint8_t *data, size_t size)
{
	return serial_type(devices->serial, data, size);
}

void machine_devices_listen_agent(struct machine_devices *devices, machine_devices_heard *heard, void *arg)
{
	virtio_console_listen(devices->agent, heard, arg);
}

size_t machine_devices_tell_agent(struct machine_devices *devices, const uint8_t *data, size_t size)
{
	return virtio_console_say(devices->agent, data, size);
}

void machine_devices_last_words(struct machine_devices *devices, char *text, size_t size)
{
	debug_console_text(devices->debug_console, text, size);
}
