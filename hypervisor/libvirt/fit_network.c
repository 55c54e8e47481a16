/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest sees its network interfaces, with their addresses, but reaches nobody. libvirt cannot say "restricted" of
 * QEMU's user network, so each interface is moved to one that is made behind libvirt's back with restrict=on. Without a
 * network asked for, the cable is unplugged as well.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "hypervisor/libvirt/fit_internal.h"

#define QEMU_NAMESPACE "http://libvirt.org/schemas/domain/qemu/1.0"
#define INTERFACES_MAX 32u

/* All of them are PCI devices: one that was none gets another address. */
static const char *known_model(struct fit *fit, xmlNodePtr model)
{
	static const char *const models[] = {
		"virtio",
		"virtio-transitional",
		"virtio-non-transitional",
		"e1000",
		"e1000e",
		"rtl8139",
		"ne2k_pci",
		"pcnet",
		"vmxnet3",
	};
	AUTO(freep) char *type = fit_attribute(model, "type");
	for (size_t i = 0; type && i < ARRAY_LENGTH(models); i++) {
		if (strcmp(type, models[i]) == 0)
			return models[i];
	}
	const char *instead = type ? "virtio" : "rtl8139"; /* what libvirt takes where nothing is said */
	if (type)
		fit_note(fit, "interface: %s instead of %.32s", instead, type);
	return instead;
}

void fit_interface(struct fit *fit, xmlNodePtr old)
{
	if (fit->interfaces == INTERFACES_MAX) {
		fit_note(fit, "left out: an interface beyond %u", INTERFACES_MAX);
		return;
	}
	xmlNodePtr interface = fit_add(fit, fit->devices, "interface");
	fit_set(fit, interface, "type", "user");
	fit_copy(fit, old, "mac", interface);
	fit_set(fit, fit_add(fit, interface, "model"), "type", known_model(fit, fit_child(old, "model")));
	if (!fit->request->network)
		fit_set(fit, fit_add(fit, interface, "link"), "state", "down");
	AUTO(freep) char *alias = file_format("ua-net%u", fit->interfaces++);
	fit_set(fit, fit_add(fit, interface, "alias"), "name", alias);
	fit_copy(fit, old, "boot", interface);
	if (fit_attribute_is(fit_child(old, "address"), "type", "pci"))
		fit_copy(fit, old, "address", interface);
}

static xmlNodePtr add(struct fit *fit, xmlNodePtr parent, xmlNsPtr ns, const char *name)
{
	xmlNodePtr node = fit_add(fit, parent, name);
	if (node)
		xmlSetNs(node, ns);
	return node;
}

static void add_network(struct fit *fit, xmlNodePtr arguments, xmlNsPtr ns, unsigned i)
{
	AUTO(freep) char *network = file_format("user,id=salvor%u,restrict=on", i);
	fit_set(fit, add(fit, arguments, ns, "arg"), "value", "-netdev");
	fit_set(fit, add(fit, arguments, ns, "arg"), "value", network);
}

static void move_interface(struct fit *fit, xmlNodePtr override, xmlNsPtr ns, unsigned i)
{
	AUTO(freep) char *alias = file_format("ua-net%u", i);
	AUTO(freep) char *network = file_format("salvor%u", i);
	xmlNodePtr device = add(fit, override, ns, "device");
	fit_set(fit, device, "alias", alias);
	xmlNodePtr property = add(fit, add(fit, device, ns, "frontend"), ns, "property");
	fit_set(fit, property, "name", "netdev");
	fit_set(fit, property, "type", "string");
	fit_set(fit, property, "value", network);
}

void fit_restrict_network(struct fit *fit)
{
	if (fit->interfaces == 0)
		return;
	xmlNsPtr ns = xmlNewNs(fit->domain, (const xmlChar *)QEMU_NAMESPACE, (const xmlChar *)"qemu");
	xmlNodePtr arguments = add(fit, fit->domain, ns, "commandline");
	xmlNodePtr override = add(fit, fit->domain, ns, "override");
	fit->no_memory = fit->no_memory || !ns;
	for (unsigned i = 0; i < fit->interfaces; i++) {
		add_network(fit, arguments, ns, i);
		move_interface(fit, override, ns, i);
	}
	fit_note(fit, fit->request->network ? "network: isolated, the guest reaches nobody"
					    : "network: the cables are unplugged");
}
