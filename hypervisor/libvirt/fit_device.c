/* SPDX-License-Identifier: Apache-2.0 */
/* Devices other than disks: what a guest needs to start is kept, what reaches out of the machine is left out by name.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hypervisor/libvirt/fit_internal.h"

typedef void device_function(struct fit *fit, xmlNodePtr old);

/* ---- kept ---- */

struct controller_kind {
	const char *type;
	const char *const *models; /* by libvirt's names, those that QEMU has for this processor; NULL: all */
	const char *instead;	   /* of any other */
};

static const char *const usb_models[] = {"piix3-uhci", "piix4-uhci", "ehci",	   "ich9-ehci1",
					 "ich9-uhci1", "ich9-uhci2", "ich9-uhci3", "pci-ohci",
					 "nec-xhci",   "qemu-xhci",  "none",	   NULL};
static const char *const scsi_models[] = {"auto",
					  "lsilogic",
					  "virtio-scsi",
					  "virtio-transitional",
					  "virtio-non-transitional",
					  "vmpvscsi",
					  "lsisas1068",
					  "lsisas1078",
					  "am53c974",
					  NULL};

/* Another of the same kind, which the same driver knows. */
static const char *const alike[][2] = {{"vt82c686b-uhci", "piix3-uhci"}, {"dc390", "am53c974"}};

static const struct controller_kind controller_kinds[] = {
	{.type = "pci"},
	{.type = "scsi", .models = scsi_models, .instead = "virtio-scsi"},
	{.type = "usb", .models = usb_models, .instead = "qemu-xhci"},
	{.type = "sata"},
	{.type = "ide"},
	{.type = "fdc"},
	{.type = "virtio-serial"},
};

static const struct controller_kind *kind_of_controller(const char *type)
{
	for (size_t i = 0; type && i < ARRAY_LENGTH(controller_kinds); i++)
		if (strcmp(type, controller_kinds[i].type) == 0)
			return &controller_kinds[i];
	return NULL;
}

static const char *model_for(const struct controller_kind *kind, const char *model)
{
	for (size_t i = 0; kind->models && kind->models[i]; i++)
		if (strcmp(model, kind->models[i]) == 0)
			return model;
	for (size_t i = 0; kind->models && i < ARRAY_LENGTH(alike); i++)
		if (strcmp(model, alike[i][0]) == 0)
			return alike[i][1];
	return kind->models ? kind->instead : model;
}

static void set_model(struct fit *fit, const struct controller_kind *kind, xmlNodePtr old, xmlNodePtr controller)
{
	AUTO(freep) char *wanted = fit_attribute(old, "model");
	if (!wanted)
		return;
	const char *model = model_for(kind, wanted);
	if (model != wanted)
		fit_note(fit, "controller %s: %s instead of %.32s", kind->type, model, wanted);
	fit_set(fit, controller, "model", model);
}

/* On another board libvirt makes the controllers that it needs. */
static void keep_controller(struct fit *fit, xmlNodePtr old)
{
	static const char *const parts[] = {"model", "target", "master", "address"};
	AUTO(freep) char *type = fit_attribute(old, "type");
	const struct controller_kind *kind = kind_of_controller(type);
	if (!kind) {
		fit_note(fit, "left out: controller %.32s", type ? type : "without a type");
		return;
	}
	if (!fit->same_board && strcmp(type, "scsi") != 0)
		return;
	xmlNodePtr controller = fit_add(fit, fit->devices, "controller");
	fit_set(fit, controller, "type", type);
	fit_copy_attribute(fit, old, "index", controller);
	set_model(fit, kind, old, controller);
	fit_copy_attribute(fit, old, "ports", controller);
	for (size_t i = 0; i < ARRAY_LENGTH(parts); i++)
		fit_copy(fit, old, parts[i], controller);
}

static void keep_input(struct fit *fit, xmlNodePtr old)
{
	if (fit_attribute_is(old, "type", "passthrough") || fit_attribute_is(old, "type", "evdev")) {
		fit_note(fit, "left out: an input device of the host");
		return;
	}
	xmlNodePtr input = fit_add(fit, fit->devices, "input");
	fit_copy_attribute(fit, old, "type", input);
	fit_copy_attribute(fit, old, "bus", input);
	fit_copy(fit, old, "address", input);
}

/* What is plugged in behind it has an address there. */
static void keep_hub(struct fit *fit, xmlNodePtr old)
{
	xmlNodePtr hub = fit_add(fit, fit->devices, "hub");
	fit_copy_attribute(fit, old, "type", hub);
	fit_copy(fit, old, "address", hub);
}

static void add_video(struct fit *fit, const char *model, xmlNodePtr old)
{
	xmlNodePtr video = fit_add(fit, fit->devices, "video");
	fit_set(fit, fit_add(fit, video, "model"), "type", model);
	fit_copy(fit, old, "address", video);
}

/* Any guest has a driver for VGA; models that need a display server are replaced by it. */
static void keep_video(struct fit *fit, xmlNodePtr old)
{
	static const char *const models[] = {"vga", "virtio", "cirrus", "bochs"};
	AUTO(freep) char *type = fit_attribute(fit_child(old, "model"), "type");
	if (fit_child(fit->devices, "video")) {
		fit_note(fit, "left out: video %.32s beside the first", type ? type : "without a model");
		return;
	}
	for (size_t i = 0; type && i < ARRAY_LENGTH(models); i++) {
		if (strcmp(type, models[i]) == 0) {
			add_video(fit, models[i], old);
			return;
		}
	}
	fit_note(fit, "video: vga instead of %.32s", type ? type : "nothing");
	add_video(fit, "vga", old);
}

static void add_random(struct fit *fit, xmlNodePtr old)
{
	xmlNodePtr rng = fit_add(fit, fit->devices, "rng");
	fit_set(fit, rng, "model", "virtio");
	fit_add_text(fit, rng, "backend", "/dev/urandom");
	fit_set(fit, fit_child(rng, "backend"), "model", "random");
	fit_copy(fit, old, "address", rng);
}

/* ---- replaced by ours, or without meaning in a throw-away run ---- */

static void nothing(struct fit *fit, xmlNodePtr old)
{
	(void)fit;
	(void)old;
}

static void replace_channel(struct fit *fit, xmlNodePtr old)
{
	AUTO(freep) char *name = fit_attribute(fit_child(old, "target"), "name");
	if (!name || strcmp(name, "org.qemu.guest_agent.0") != 0)
		fit_note(fit, "left out: channel %.64s", name ? name : "without a name");
}

static void replace_console(struct fit *fit, xmlNodePtr old)
{
	xmlNodePtr target = fit_child(old, "target");
	if (fit_attribute_is(target, "type", "virtio"))
		fit_note(fit, "left out: the paravirtual console; the console is the first serial port");
	AUTO(freep) char *port = fit_attribute(target, "port");
	if (fit_is(old, "serial") && port && strcmp(port, "0") != 0)
		fit_note(fit, "left out: serial port %.16s", port);
}

/* ---- left out ---- */

static void leave_out_host_device(struct fit *fit, xmlNodePtr old)
{
	xmlNodePtr address = fit_child(fit_child(old, "source"), "address");
	AUTO(freep) char *type = fit_attribute(old, "type");
	AUTO(freep) char *domain = fit_attribute(address, "domain");
	AUTO(freep) char *bus = fit_attribute(address, "bus");
	AUTO(freep) char *slot = fit_attribute(address, "slot");
	AUTO(freep) char *function = fit_attribute(address, "function");
	if (bus && slot)
		fit_note(fit, "left out: hostdev %04llx:%02llx:%02llx.%llx", domain ? strtoull(domain, NULL, 0) : 0,
			 strtoull(bus, NULL, 0), strtoull(slot, NULL, 0), function ? strtoull(function, NULL, 0) : 0);
	else
		fit_note(fit, "left out: hostdev %.16s", type ? type : "without a type");
}

static void leave_out_folder(struct fit *fit, xmlNodePtr old)
{
	AUTO(freep) char *target = fit_attribute(fit_child(old, "target"), "dir");
	fit_note(fit, "left out: filesystem %.64s", target ? target : "without a name");
}

static void leave_out(struct fit *fit, xmlNodePtr old)
{
	AUTO(freep) char *model = fit_attribute(old, "model");
	fit_note(fit, model ? "left out: %.32s %.32s" : "left out: %.32s%s", (const char *)old->name,
		 model ? model : "");
}

/* A machine that is watched has one of ours. */
static void leave_out_panic(struct fit *fit, xmlNodePtr old)
{
	if (!fit->request->watched)
		leave_out(fit, old);
}

static device_function *treatment(xmlNodePtr old)
{
	static const struct {
		const char *name;
		device_function *treat;
	} treatments[] = {
		{"controller", keep_controller},
		{"interface", fit_interface},
		{"input", keep_input},
		{"video", keep_video},
		{"rng", add_random},
		{"channel", replace_channel},
		{"serial", replace_console},
		{"console", replace_console},
		{"hostdev", leave_out_host_device},
		{"filesystem", leave_out_folder},
		{"disk", nothing}, /* fit_disk.c */
		{"emulator", nothing},
		{"graphics", nothing},
		{"memballoon", nothing},
		{"audio", nothing},
		{"panic", leave_out_panic},
		{"hub", keep_hub},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(treatments); i++) {
		if (fit_is(old, treatments[i].name))
			return treatments[i].treat;
	}
	return leave_out;
}

/* ---- ours ---- */

static xmlNodePtr add_serial(struct fit *fit, const char *socket, const char *port)
{
	xmlNodePtr serial = fit_add(fit, fit->devices, "serial");
	fit_set(fit, serial, "type", "unix");
	xmlNodePtr source = fit_add(fit, serial, "source");
	fit_set(fit, source, "mode", "connect");
	fit_set(fit, source, "path", socket);
	fit_set(fit, fit_add(fit, serial, "target"), "port", port);
	return serial;
}

static void add_console(struct fit *fit)
{
	if (fit->request->console_socket)
		add_serial(fit, fit->request->console_socket, "0");
}

/* The port at which SeaBIOS tells what it does. */
static void add_firmware_log(struct fit *fit)
{
	if (!fit->request->firmware_socket)
		return;
	xmlNodePtr serial = add_serial(fit, fit->request->firmware_socket, "1"), target = fit_child(serial, "target");
	fit_set(fit, target, "type", "isa-debug");
	fit_set(fit, fit_add(fit, target, "model"), "name", "isa-debugcon");
	xmlNodePtr address = fit_add(fit, serial, "address");
	fit_set(fit, address, "type", "isa");
	fit_set(fit, address, "iobase", "0x402");
}

static void add_panic(struct fit *fit)
{
	if (fit->request->watched)
		fit_set(fit, fit_add(fit, fit->devices, "panic"), "model", "isa");
}

static void add_agent(struct fit *fit)
{
	if (!fit->request->agent_socket)
		return;
	xmlNodePtr channel = fit_add(fit, fit->devices, "channel");
	fit_set(fit, channel, "type", "unix");
	xmlNodePtr source = fit_add(fit, channel, "source");
	fit_set(fit, source, "mode", "bind");
	fit_set(fit, source, "path", fit->request->agent_socket);
	xmlNodePtr target = fit_add(fit, channel, "target");
	fit_set(fit, target, "type", "virtio");
	fit_set(fit, target, "name", "org.qemu.guest_agent.0");
}

void fit_devices(struct fit *fit)
{
	fit_add_text(fit, fit->devices, "emulator", fit->host->emulator);
	for (xmlNodePtr old = fit_first(fit_child(fit->old, "devices")); old; old = fit_next(old))
		treatment(old)(fit, old);
	if (!fit->old)
		add_random(fit, NULL);
	if (!fit_child(fit->devices, "video"))
		add_video(fit, "vga", NULL);
	fit_set(fit, fit_add(fit, fit->devices, "memballoon"), "model", "none");
	add_console(fit);
	add_firmware_log(fit);
	add_agent(fit);
	add_panic(fit);
}
