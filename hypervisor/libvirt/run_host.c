/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/run_host.h"

#include <fcntl.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/pool.h"
#include "hypervisor/libvirt/error.h"
#include "hypervisor/libvirt/fit_internal.h"

/* The host and salvor need some, too. */
#define MEMORY_KEPT (UINT64_C(256) << 20)

/* ---- accelerator ---- */

static bool processor_virtualizes(void)
{
	char line[4096];
	bool found = false;
	FILE *file = fopen("/proc/cpuinfo", "re");
	while (file && !found && fgets(line, sizeof(line), file))
		found = strncmp(line, "flags", 5) == 0 && (strstr(line, " vmx") || strstr(line, " svm"));
	if (file)
		fclose(file);
	return found;
}

static bool device_opens(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* A /dev/kvm alone means little: there are some on which ordinary kernels do not start. */
const char *runner_accelerator(const char *said)
{
	if (said)
		return said;
	return processor_virtualizes() && device_opens() ? "kvm" : "tcg";
}

/* ---- memory ---- */

uint64_t runner_free_memory(void)
{
	static const char field[] = "MemAvailable:";
	char line[256];
	unsigned long long kib = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, field, strlen(field)) == 0) {
			kib = strtoull(line + strlen(field), NULL, 10);
			break;
		}
	}
	if (file)
		fclose(file);
	uint64_t bytes = (uint64_t)kib << 10;
	return bytes > MEMORY_KEPT ? bytes - MEMORY_KEPT : 0;
}

/* ---- QEMU ---- */

static bool add_machine(struct fit_host *host, char *name)
{
	char **more = name ? realloc(host->machines, (host->n_machines + 1) * sizeof(*more)) : NULL;
	if (!more) {
		free(name);
		return false;
	}
	more[host->n_machines++] = name;
	host->machines = more;
	return true;
}

static bool read_guest(xmlNodePtr arch, struct fit_host *host)
{
	host->emulator = fit_text(fit_child(arch, "emulator"));
	for (xmlNodePtr node = fit_first(arch); node; node = fit_next(node)) {
		if (fit_is(node, "machine") && !add_machine(host, fit_text(node)))
			return false;
	}
	return host->emulator;
}

static bool read_capabilities(xmlNodePtr capabilities, struct fit_host *host, struct err **errp)
{
	for (xmlNodePtr guest = fit_first(capabilities); guest; guest = fit_next(guest)) {
		xmlNodePtr arch = fit_child(guest, "arch");
		if (fit_is(guest, "guest") && fit_attribute_is(arch, "name", "x86_64"))
			return read_guest(arch, host) || err_set_no_memory(errp);
	}
	return err_set(errp, ERR_UNSUPPORTED, "booting needs QEMU, and qemu-system-x86_64 is not installed");
}

bool run_host_ask(virConnectPtr connection, const char *accelerator, struct fit_host *ret, struct err **errp)
{
	char *text = virConnectGetCapabilities(connection);
	if (!text)
		return err_from_virt(errp, "cannot learn what QEMU can do here");
	xmlDocPtr doc = xmlReadDoc((const xmlChar *)text, NULL, NULL, XML_PARSE_NONET);
	free(text);
	*ret = (struct fit_host){.kvm = strcmp(runner_accelerator(accelerator), "kvm") == 0,
				 .processors = (unsigned)pool_processors(),
				 .memory = runner_free_memory()};
	bool ok = doc ? read_capabilities(xmlDocGetRootElement(doc), ret, errp) : err_set_no_memory(errp);
	if (doc)
		xmlFreeDoc(doc);
	if (!ok)
		run_host_release(ret);
	return ok;
}

void run_host_release(struct fit_host *host)
{
	for (size_t i = 0; i < host->n_machines; i++)
		free(host->machines[i]);
	free(host->machines);
	free(host->emulator);
	*host = (struct fit_host){0};
}
