/* SPDX-License-Identifier: Apache-2.0 */
/* Disks: each of the point, at its place in the machine, as a throw-away overlay over what an NBD socket serves. */
#include <stdlib.h>
#include <string.h>

#include "hypervisor/libvirt/fit_internal.h"

enum { TARGET_SIZE = 8, LETTERS = 26 };

static void add_backing(struct fit *fit, xmlNodePtr disk, const struct fit_disk *from)
{
	xmlNodePtr backing = fit_add(fit, disk, "backingStore");
	fit_set(fit, backing, "type", "network");
	fit_set(fit, fit_add(fit, backing, "format"), "type", "raw");
	xmlNodePtr source = fit_add(fit, backing, "source");
	fit_set(fit, source, "protocol", "nbd");
	fit_set(fit, source, "name", from->name);
	xmlNodePtr host = fit_add(fit, source, "host");
	fit_set(fit, host, "transport", "unix");
	fit_set(fit, host, "socket", from->nbd_socket);
	fit_add(fit, backing, "backingStore");
}

/* What is written is thrown away: nothing of it needs to reach a disk in time. */
static xmlNodePtr add_overlay(struct fit *fit, const struct fit_disk *from)
{
	xmlNodePtr disk = fit_add(fit, fit->devices, "disk");
	fit_set(fit, disk, "type", "file");
	fit_set(fit, disk, "device", "disk");
	xmlNodePtr driver = fit_add(fit, disk, "driver");
	fit_set(fit, driver, "name", "qemu");
	fit_set(fit, driver, "type", "qcow2");
	fit_set(fit, driver, "cache", "unsafe");
	fit_set(fit, driver, "discard", "unmap");
	fit_set(fit, fit_add(fit, disk, "source"), "file", from->overlay);
	add_backing(fit, disk, from);
	return disk;
}

static const char *known_bus(struct fit *fit, xmlNodePtr target, const char *name)
{
	static const char *const buses[] = {"virtio", "sata", "ide", "scsi", "usb", "fdc"};
	AUTO(freep) char *bus = fit_attribute(target, "bus");
	for (size_t i = 0; bus && i < ARRAY_LENGTH(buses); i++) {
		if (strcmp(bus, buses[i]) == 0)
			return buses[i];
	}
	if (bus)
		fit_note(fit, "disk %.64s: at virtio instead of %.32s", name, bus);
	return "virtio";
}

/* What libvirt takes as a target: of a disk that a person named, the name may be anything. */
static bool is_target(const char *name)
{
	static const char *const kinds[] = {"fd", "hd", "sd", "vd", "xvd", "ubd"};
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		const size_t kind = strlen(kinds[i]),
			     letters = strspn(name + (strlen(name) < kind ? 0 : kind), "abcdefghijklmnopqrstuvwxyz");
		if (strncmp(name, kinds[i], kind) == 0 && letters > 0 && letters <= 2 && name[kind + letters] == '\0')
			return true;
	}
	return false;
}

static bool is_taken(const struct fit *fit, const char *target)
{
	for (size_t i = 0; i < fit->request->n_disks; i++) {
		if (strcmp(fit->request->disks[i].name, target) == 0)
			return true;
	}
	return false;
}

/* vda, vdb … vdz, vdaa … of those that are free, in the order of the disks: the first one is what the machine boots. */
static void choose_target(struct fit *fit, const struct fit_disk *from, char ret[TARGET_SIZE])
{
	size_t before = 0;
	if (is_target(from->name)) {
		snprintf(ret, TARGET_SIZE, "%s", from->name);
		return;
	}
	for (const struct fit_disk *disk = fit->request->disks; disk < from; disk++)
		before += !is_target(disk->name);
	for (unsigned i = 0;; i++) {
		const char letters[] = {i < LETTERS ? '\0' : (char)('a' + i / LETTERS - 1), '\0'};
		snprintf(ret, TARGET_SIZE, "vd%s%c", letters, (int)('a' + i % LETTERS));
		if (!is_taken(fit, ret) && before-- == 0)
			break;
	}
	fit_note(fit, "disk %.64s: is %s to the machine", from->name, ret);
}

static void add_disk(struct fit *fit, const struct fit_disk *from, xmlNodePtr old)
{
	xmlNodePtr disk = add_overlay(fit, from), target = fit_add(fit, disk, "target"),
		   old_target = fit_child(old, "target");
	char name[TARGET_SIZE];
	choose_target(fit, from, name);
	fit_set(fit, target, "dev", name);
	fit_set(fit, target, "bus", known_bus(fit, old_target, from->name));
	fit_copy(fit, old, "boot", disk);
	fit_copy(fit, old, "blockio", disk);
	fit_copy(fit, old, "address", disk);
	fit_copy_text(fit, old, "serial", disk);
	fit_copy_text(fit, old, "wwn", disk);
	fit_copy_text(fit, old, "vendor", disk);
	fit_copy_text(fit, old, "product", disk);
}

static const char *device_of(xmlNodePtr old)
{
	static const char *const kinds[] = {"cdrom", "floppy", "lun"};
	for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
		if (fit_attribute_is(old, "device", kinds[i]))
			return kinds[i];
	}
	return "disk";
}

static const struct fit_disk *wanted(const struct fit *fit, xmlNodePtr old)
{
	if (!fit_is(old, "disk") || fit_attribute_is(old, "device", "cdrom") ||
	    fit_attribute_is(old, "device", "floppy"))
		return NULL;
	for (size_t i = 0; i < fit->request->n_disks; i++) {
		if (fit_attribute_is(fit_child(old, "target"), "dev", fit->request->disks[i].name))
			return &fit->request->disks[i];
	}
	return NULL;
}

static xmlNodePtr definition_of(const struct fit *fit, const struct fit_disk *disk)
{
	xmlNodePtr node = fit_first(fit_child(fit->old, "devices"));
	while (node && wanted(fit, node) != disk)
		node = fit_next(node);
	return node;
}

void fit_disks(struct fit *fit)
{
	for (size_t i = 0; i < fit->request->n_disks; i++) {
		const struct fit_disk *disk = &fit->request->disks[i];
		xmlNodePtr old = definition_of(fit, disk);
		if (!old && fit->old)
			fit_note(fit, "disk %.64s is not in the definition: added at virtio", disk->name);
		add_disk(fit, disk, old);
	}
	for (xmlNodePtr old = fit_first(fit_child(fit->old, "devices")); old; old = fit_next(old)) {
		if (!fit_is(old, "disk") || wanted(fit, old))
			continue;
		AUTO(freep) char *name = fit_attribute(fit_child(old, "target"), "dev");
		fit_note(fit, "left out: %s %.64s", device_of(old), name ? name : "without a name");
	}
}
