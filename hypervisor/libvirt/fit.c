/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/fit.h"

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/libvirt/fit_internal.h"

static void free_document(xmlDocPtr *doc)
{
	if (*doc)
		xmlFreeDoc(*doc);
	*doc = NULL;
}

/* Entities are refused with their declarations: they could name files or grow without end. */
static bool is_machine(xmlDocPtr doc)
{
	return doc && !doc->intSubset && fit_is(xmlDocGetRootElement(doc), "domain");
}

static bool check_processor(xmlNodePtr domain, struct err **errp)
{
	AUTO(freep) char *arch = fit_attribute(fit_child(fit_child(domain, "os"), "type"), "arch");
	if (arch && strcmp(arch, "x86_64") != 0 && strcmp(arch, "i686") != 0)
		return err_set(errp, ERR_UNSUPPORTED, "the machine's processor is '%.32s', and only x86_64 is run here",
			       arch);
	return true;
}

static xmlDocPtr parse(struct span definition, struct err **errp)
{
	static const int options =
		XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS | XML_PARSE_NOCDATA;
	if (definition.len > FIT_DEFINITION_MAX) {
		err_set(errp, ERR_CORRUPT, "the machine's definition has %zu bytes, more than any that is real",
			definition.len);
		return NULL;
	}
	AUTO(free_document)
	xmlDocPtr doc = xmlReadMemory(definition.data, (int)definition.len, "domain.xml", NULL, options);
	if (!is_machine(doc)) {
		err_set(errp, ERR_CORRUPT, "the machine's definition is not libvirt's XML of a domain");
		return NULL;
	}
	return check_processor(xmlDocGetRootElement(doc), errp) ? STEAL(&doc) : NULL;
}

bool fit_firmware(struct span definition, struct fit_firmware *ret, struct err **errp)
{
	*ret = (struct fit_firmware){0};
	if (definition.len == 0)
		return true;
	AUTO(free_document) xmlDocPtr doc = parse(definition, errp);
	if (!doc)
		return false;
	xmlNodePtr os = fit_child(xmlDocGetRootElement(doc), "os"), loader = fit_child(os, "loader");
	ret->uefi = fit_attribute_is(os, "firmware", "efi") || fit_attribute_is(loader, "type", "pflash") ||
		    fit_child(os, "nvram");
	ret->secure = ret->uefi && fit_attribute_is(loader, "secure", "yes");
	return true;
}

static bool build(struct fit *fit, struct err **errp)
{
	fit_set(fit, fit->domain, "type", fit->host->kvm ? "kvm" : "qemu");
	fit_add_text(fit, fit->domain, "name", fit->request->name);
	if (!fit_machine(fit, errp))
		return false;
	fit->devices = fit_add(fit, fit->domain, "devices");
	fit_disks(fit);
	fit_devices(fit);
	fit_restrict_network(fit);
	return !fit->no_memory || err_set_no_memory(errp);
}

static char *write_document(xmlDocPtr doc, struct err **errp)
{
	xmlChar *text = NULL;
	int size = 0;
	xmlDocDumpFormatMemoryEnc(doc, &text, &size, "UTF-8", 1);
	char *copy = text ? strdup((const char *)text) : NULL;
	xmlFree(text);
	if (!copy)
		err_set_no_memory(errp);
	return copy;
}

char *fit_definition(const struct fit_request *request, const struct fit_host *host, struct err **errp)
{
	AUTO(free_document) xmlDocPtr old = NULL;
	if (request->definition.len > 0 && !(old = parse(request->definition, errp)))
		return NULL;
	AUTO(free_document) xmlDocPtr doc = xmlNewDoc((const xmlChar *)"1.0");
	xmlNodePtr domain = doc ? xmlNewDocNode(doc, NULL, (const xmlChar *)"domain", NULL) : NULL;
	if (!domain) {
		err_set_no_memory(errp);
		return NULL;
	}
	xmlDocSetRootElement(doc, domain);
	struct fit fit = {
		.request = request,
		.host = host,
		.old = old ? xmlDocGetRootElement(old) : NULL,
		.domain = domain,
		.same_board = true,
	};
	return build(&fit, errp) ? write_document(doc, errp) : NULL;
}
