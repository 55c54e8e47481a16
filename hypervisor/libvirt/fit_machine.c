/* SPDX-License-Identifier: Apache-2.0 */
/* The machine without its devices: board, firmware, memory, processors, clock. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/libvirt/fit_internal.h"

#define MEMORY_DEFAULT (UINT64_C(2) << 30)
#define MEMORY_LEAST (UINT64_C(64) << 20)
#define MIB (UINT64_C(1) << 20)

/* ---- board ---- */

static bool host_has(const struct fit_host *host, const char *machine)
{
	for (size_t i = 0; i < host->n_machines; i++) {
		if (strcmp(host->machines[i], machine) == 0)
			return true;
	}
	return false;
}

static const char *family(const char *machine)
{
	if (strncmp(machine, "pc-q35", 6) == 0 || strcmp(machine, "q35") == 0)
		return "q35";
	if (strncmp(machine, "pc", 2) == 0)
		return "pc";
	return NULL;
}

/* The one that has what the disks are at. */
static const char *board_for_disks(struct fit *fit)
{
	for (xmlNodePtr node = fit_first(fit_child(fit->old, "devices")); node; node = fit_next(node)) {
		if (fit_is(node, "disk") && fit_attribute_is(fit_child(node, "target"), "bus", "ide"))
			return "pc";
	}
	return "q35";
}

static char *choose_board(struct fit *fit, xmlNodePtr type)
{
	AUTO(freep) char *machine = fit_attribute(type, "machine");
	if (!machine)
		return strdup(fit->old ? "pc" : "q35");
	const char *near = family(machine);
	if (near && host_has(fit->host, machine))
		return STEAL(&machine);
	fit->same_board = near;
	if (!near)
		near = board_for_disks(fit);
	fit_note(fit, "machine type: %s instead of %.64s, which this QEMU does not have", near, machine);
	return strdup(near);
}

static void add_firmware(struct fit *fit, xmlNodePtr os)
{
	const struct fit_request *request = fit->request;
	if (!request->firmware_code)
		return;
	fit_add_text(fit, os, "loader", request->firmware_code);
	xmlNodePtr loader = fit_child(os, "loader");
	fit_set(fit, loader, "readonly", "yes");
	fit_set(fit, loader, "type", "pflash");
	if (request->firmware_secure)
		fit_set(fit, loader, "secure", "yes");
	fit_add_text(fit, os, "nvram", request->firmware_variables);
}

static void add_boot_order(struct fit *fit, xmlNodePtr old_os, xmlNodePtr os)
{
	for (xmlNodePtr boot = fit_first(old_os); boot; boot = fit_next(boot)) {
		if (fit_is(boot, "boot") && fit_attribute_is(boot, "dev", "hd"))
			fit_set(fit, fit_add(fit, os, "boot"), "dev", "hd");
		if (fit_is(boot, "smbios") || fit_is(boot, "acpi"))
			fit_note(fit, "left out: tables of the firmware: %s", (const char *)boot->name);
	}
	if (fit_child(old_os, "kernel"))
		fit_note(fit, "left out: the kernel outside of the machine; it starts from its disk");
}

static void add_os(struct fit *fit)
{
	xmlNodePtr old = fit_child(fit->old, "os"), os = fit_add(fit, fit->domain, "os");
	AUTO(freep) char *board = choose_board(fit, fit_child(old, "type"));
	fit_add_text(fit, os, "type", "hvm");
	xmlNodePtr type = fit_child(os, "type");
	fit_set(fit, type, "arch", "x86_64");
	fit_set(fit, type, "machine", board);
	add_firmware(fit, os);
	add_boot_order(fit, old, os);
}

/* ---- memory and processors ---- */

static uint64_t unit_bytes(const char *unit)
{
	static const struct {
		const char *name;
		uint64_t bytes;
	} units[] = {
		{"b", 1},	    {"bytes", 1},     {"KB", 1000},	  {"k", 1024},	      {"KiB", 1024},
		{"MB", 1000000},    {"M", MIB},	      {"MiB", MIB},	  {"GB", 1000000000}, {"G", MIB << 10},
		{"GiB", MIB << 10}, {"T", MIB << 20}, {"TiB", MIB << 20},
	};
	for (size_t i = 0; unit && i < ARRAY_LENGTH(units); i++) {
		if (strcmp(unit, units[i].name) == 0)
			return units[i].bytes;
	}
	return 1024;
}

static uint64_t defined_memory(struct fit *fit)
{
	xmlNodePtr node = fit_child(fit->old, "memory");
	AUTO(freep) char *unit = fit_attribute(node, "unit");
	AUTO(freep) char *text = fit_text(node);
	uint64_t bytes = 0;
	if (!text || __builtin_mul_overflow(strtoull(text, NULL, 10), unit_bytes(unit), &bytes) || bytes == 0)
		return MEMORY_DEFAULT;
	return bytes;
}

static void add_memory(struct fit *fit)
{
	uint64_t wanted = fit->request->memory ? fit->request->memory : defined_memory(fit);
	uint64_t most = fit->request->memory_max && fit->request->memory_max < fit->host->memory
				? fit->request->memory_max
				: fit->host->memory;
	uint64_t memory = wanted < most ? wanted : most;
	if (memory < MEMORY_LEAST)
		memory = MEMORY_LEAST;
	if (memory < wanted)
		fit_note(fit, "memory: %" PRIu64 " MiB instead of %" PRIu64 " MiB: no more is free here", memory / MIB,
			 wanted / MIB);
	AUTO(freep) char *text = file_format("%" PRIu64, memory / 1024);
	fit_add_text(fit, fit->domain, "memory", text);
	fit_set(fit, fit_child(fit->domain, "memory"), "unit", "KiB");
}

static unsigned add_processors(struct fit *fit, bool *ret_as_defined)
{
	AUTO(freep) char *text = fit_text(fit_child(fit->old, "vcpu"));
	unsigned long long wanted = text ? strtoull(text, NULL, 10) : 1;
	if (wanted == 0)
		wanted = 1;
	*ret_as_defined = text && wanted <= fit->host->processors;
	unsigned n = wanted <= fit->host->processors ? (unsigned)wanted : fit->host->processors;
	if (n < wanted)
		fit_note(fit, "processors: %u instead of %llu, as many as this host has", n, wanted);
	AUTO(freep) char *count = file_format("%u", n);
	fit_add_text(fit, fit->domain, "vcpu", count);
	return n;
}

static void add_cpu(struct fit *fit, bool as_defined)
{
	xmlNodePtr old = fit_child(fit->old, "cpu"), cpu = fit_add(fit, fit->domain, "cpu");
	AUTO(freep) char *mode = fit_attribute(old, "mode");
	AUTO(freep) char *model = fit_text(fit_child(old, "model"));
	fit_set(fit, cpu, "mode", fit->host->kvm ? "host-passthrough" : "maximum");
	if (as_defined)
		fit_copy(fit, old, "topology", cpu);
	if (fit_child(old, "numa"))
		fit_note(fit, "left out: the NUMA cells of the processor");
	if (model || mode)
		fit_note(fit, "processor: %s instead of %.64s", fit->host->kvm ? "this host's" : "the software CPU",
			 model ? model : mode);
}

/* ---- the rest ---- */

/* Enlightenments of KVM and of the hypervisor are nothing that the software CPU has. */
static void add_features(struct fit *fit)
{
	static const char *const always[] = {"acpi", "apic", "pae"};
	xmlNodePtr old = fit_child(fit->old, "features"), features = fit_add(fit, fit->domain, "features");
	for (size_t i = 0; i < ARRAY_LENGTH(always); i++) {
		if (!fit->old || fit_child(old, always[i]))
			fit_add(fit, features, always[i]);
	}
	if (fit->request->firmware_secure)
		fit_set(fit, fit_add(fit, features, "smm"), "state", "on");
	for (xmlNodePtr feature = fit_first(old); feature; feature = fit_next(feature)) {
		if (!fit_child(features, (const char *)feature->name) && !fit_is(feature, "smm"))
			fit_note(fit, "left out: feature %.32s", (const char *)feature->name);
	}
}

static void add_clock(struct fit *fit)
{
	xmlNodePtr clock = fit_add(fit, fit->domain, "clock");
	bool local = fit_attribute_is(fit_child(fit->old, "clock"), "offset", "localtime");
	fit_set(fit, clock, "offset", local ? "localtime" : "utc");
}

/* A throw-away run ends with its guest, whatever way that ended; only a reboot of the guest goes on. After a crash who
 * watches takes a picture first. */
static void add_endings(struct fit *fit)
{
	fit_add_text(fit, fit->domain, "on_poweroff", "destroy");
	fit_add_text(fit, fit->domain, "on_reboot", "restart");
	fit_add_text(fit, fit->domain, "on_crash", fit->request->watched ? "preserve" : "destroy");
}

/* Names what was not looked at above, or is replaced in silence because its absence means nothing to the guest. */
static void note_rest(struct fit *fit)
{
	static const char *const handled[] = {
		"name",	    "uuid",    "title",	   "description", "metadata", "memory",	     "currentMemory",
		"vcpu",	    "os",      "features", "cpu",	  "clock",    "on_poweroff", "on_reboot",
		"on_crash", "devices", "seclabel", "resource",	  "genid",
	};
	for (xmlNodePtr node = fit_first(fit->old); node; node = fit_next(node)) {
		bool known = false;
		for (size_t i = 0; i < ARRAY_LENGTH(handled); i++)
			known = known || fit_is(node, handled[i]);
		if (!known)
			fit_note(fit, "left out: %.64s", (const char *)node->name);
	}
	for (xmlNodePtr node = fit->old ? fit->old->children : NULL; node; node = node->next) {
		if (node->type == XML_ELEMENT_NODE && node->ns)
			fit_note(fit, "left out: %.64s beyond libvirt's own", (const char *)node->name);
	}
}

bool fit_machine(struct fit *fit, struct err **errp)
{
	AUTO(freep) char *type = fit_text(fit_child(fit_child(fit->old, "os"), "type"));
	if (type && strcmp(type, "hvm") != 0)
		return err_set(errp, ERR_UNSUPPORTED,
			       "the machine is of type '%.32s', and only fully virtualized ones are run here", type);
	bool as_defined;
	add_memory(fit);
	unsigned n = add_processors(fit, &as_defined);
	add_os(fit);
	add_features(fit);
	add_cpu(fit, as_defined && n > 0);
	add_clock(fit);
	add_endings(fit);
	note_rest(fit);
	return true;
}
