/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/domain.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/libvirt/connect.h"
#include "hypervisor/libvirt/error.h"

enum { FIRMWARE_MAX = 64 << 20, DEFINITION_MAX = 16 << 20 };

static const char *const state_names[] = {
	[VIR_DOMAIN_NOSTATE] = "unknown", [VIR_DOMAIN_RUNNING] = "running",	  [VIR_DOMAIN_BLOCKED] = "running",
	[VIR_DOMAIN_PAUSED] = "paused",	  [VIR_DOMAIN_SHUTDOWN] = "stopping",	  [VIR_DOMAIN_SHUTOFF] = "shut off",
	[VIR_DOMAIN_CRASHED] = "crashed", [VIR_DOMAIN_PMSUSPENDED] = "suspended",
};

const char *domain_state_name(int state)
{
	if (state < 0 || (size_t)state >= ARRAY_LENGTH(state_names))
		return state_names[VIR_DOMAIN_NOSTATE];
	return state_names[state];
}

int domain_state(virDomainPtr domain, int *ret_reason)
{
	int state;
	if (virDomainGetState(domain, &state, ret_reason, 0) < 0)
		return VIR_DOMAIN_NOSTATE;
	return state;
}

bool domain_is_off(virDomainPtr domain)
{
	int active = virDomainIsActive(domain);
	return active == 0 || (active < 0 && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN);
}

bool domain_is_stuck(virDomainPtr domain)
{
	int reason;
	return domain_state(domain, &reason) == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR;
}

void domain_resume_stuck(virDomainPtr domain)
{
	if (domain_is_stuck(domain) && virDomainResume(domain) < 0)
		virResetLastError(); /* it is gone, or stuck again */
}

static void free_domains(virDomainPtr *domains)
{
	for (size_t i = 0; domains && domains[i]; i++)
		virDomainFree(domains[i]);
	free(domains);
}

bool domain_list(virConnectPtr connection,
		 bool (*each)(void *arg, const char *name, const char *state, struct err **errp), void *arg,
		 struct err **errp)
{
	virDomainPtr *domains = NULL;
	int n = virConnectListAllDomains(connection, &domains, 0);
	if (n < 0)
		return err_from_virt(errp, "list the domains");
	bool ok = true;
	for (int i = 0; ok && i < n; i++) {
		int reason;
		ok = each(arg, virDomainGetName(domains[i]), domain_state_name(domain_state(domains[i], &reason)),
			  errp);
	}
	free_domains(domains);
	return ok;
}

static bool take_definition(virDomainPtr domain, struct workload *ret, struct domain_xml *ret_xml, struct err **errp)
{
	AUTO(freep) char *live = virDomainGetXMLDesc(domain, 0);
	AUTO(freep) char *kept = virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_SECURE | VIR_DOMAIN_XML_MIGRATABLE);
	if (!live || !kept)
		return err_from_virt(errp, "ask for the definition");
	bytes_init(&ret->definition, DEFINITION_MAX);
	bytes_put(&ret->definition, kept, strlen(kept));
	if (!bytes_ok(&ret->definition))
		return err_set(errp, ERR_UNSUPPORTED, "the definition has %zu bytes, more than a point holds",
			       strlen(kept));
	return domain_xml_parse(live, ret_xml, errp);
}

static bool take_disks(virDomainPtr domain, const struct domain_xml *xml, struct workload *ret, struct err **errp)
{
	ret->disks = calloc(xml->n_disks + 1, sizeof(*ret->disks));
	if (!ret->disks)
		return err_set_no_memory(errp);
	for (; ret->n_disks < xml->n_disks; ret->n_disks++) {
		const struct domain_disk *from = &xml->disks[ret->n_disks];
		struct workload_disk *disk = &ret->disks[ret->n_disks];
		virDomainBlockInfo info;
		if (virDomainGetBlockInfo(domain, from->name, &info, 0) < 0)
			return err_from_virt(errp, "disk '%s'", from->name);
		memcpy(disk->name, from->name, sizeof(disk->name));
		disk->size = info.capacity;
		disk->source = strdup(from->source);
		if (!disk->source)
			return err_set_no_memory(errp);
	}
	return true;
}

static bool take_left_out(const struct domain_xml *xml, struct workload *ret, struct err **errp)
{
	ret->left_out = calloc(xml->n_left_out + 1, sizeof(*ret->left_out));
	if (!ret->left_out)
		return err_set_no_memory(errp);
	for (; ret->n_left_out < xml->n_left_out; ret->n_left_out++) {
		ret->left_out[ret->n_left_out] = strdup(xml->left_out[ret->n_left_out]);
		if (!ret->left_out[ret->n_left_out])
			return err_set_no_memory(errp);
	}
	return true;
}

/* A machine that never started has none yet. */
static bool take_firmware(const struct domain_xml *xml, struct workload *ret, struct err **errp)
{
	if (!xml->nvram)
		return true;
	struct err *err = NULL;
	if (!file_read_all(xml->nvram, FIRMWARE_MAX, &ret->firmware, &err)) {
		if (err_code(err) != ERR_NOT_FOUND)
			return err_move(errp, &err) || err_prefix(errp, "firmware variables");
		err_clear(&err);
		return true;
	}
	const char *slash = strrchr(xml->nvram, '/');
	const char *name = slash ? slash + 1 : xml->nvram;
	if (strlen(name) > ENGINE_NAME_MAX)
		name = "nvram";
	memcpy(ret->firmware_name, name, strlen(name) + 1);
	return true;
}

static bool describe(virDomainPtr domain, struct workload *ret, struct domain_xml *xml, struct err **errp)
{
	if (!take_definition(domain, ret, xml, errp))
		return false;
	if (!take_disks(domain, xml, ret, errp) || !take_left_out(xml, ret, errp) || !take_firmware(xml, ret, errp))
		return false;
	return ret->n_disks > 0 || err_set(errp, ERR_UNSUPPORTED, "has no disk that can be protected");
}

bool domain_describe(virDomainPtr domain, struct workload *ret, struct domain_xml *ret_xml, struct err **errp)
{
	const char *name = virDomainGetName(domain);
	struct workload workload = {.name = strdup(name)};
	struct domain_xml xml = {0};
	bool ok = workload.name || err_set_no_memory(errp);
	if (ok && virDomainGetUUID(domain, workload.id) < 0)
		ok = err_from_virt(errp, "ask for the UUID");
	ok = ok && describe(domain, &workload, &xml, errp);
	if (!ok) {
		workload_release(&workload);
		domain_xml_release(&xml);
		return false;
	}
	*ret = workload;
	*ret_xml = xml;
	return true;
}
