/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/libvirt/domain_xml.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/file.h"

static void free_docp(xmlDoc **doc)
{
	xmlFreeDoc(*doc);
}

static xmlDoc *parse(const char *xml, const char *root, const char *what, struct err **errp)
{
	size_t length = strlen(xml);
	xmlDoc *doc = length > INT32_MAX ? NULL
					 : xmlReadMemory(xml, (int)length, NULL, NULL,
							 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	const xmlNode *top = doc ? xmlDocGetRootElement(doc) : NULL;
	if (top && xmlStrEqual(top->name, (const xmlChar *)root))
		return doc;
	xmlFreeDoc(doc);
	err_set(errp, ERR_CORRUPT, "%s is not what libvirt writes: no <%s>", what, root);
	return NULL;
}

static xmlNode *child(const xmlNode *parent, const char *name)
{
	for (xmlNode *node = parent ? parent->children : NULL; node; node = node->next) {
		if (node->type == XML_ELEMENT_NODE && xmlStrEqual(node->name, (const xmlChar *)name))
			return node;
	}
	return NULL;
}

/* A new string, or NULL where the element or the attribute is absent. */
static char *attribute(const xmlNode *node, const char *name)
{
	return node ? (char *)xmlGetProp(node, (const xmlChar *)name) : NULL;
}

static bool is(const char *value, const char *expected)
{
	return value && strcmp(value, expected) == 0;
}

/* Why a disk is not protected; NULL when it is. Static text. */
static const char *reason_to_leave_out(const xmlNode *disk)
{
	AUTO(freep) char *type = attribute(disk, "type");
	AUTO(freep) char *device = attribute(disk, "device");
	AUTO(freep) char *format = attribute(child(disk, "driver"), "type");
	if (is(device, "cdrom") || is(device, "floppy"))
		return "removable media";
	if (is(device, "lun"))
		return "a SCSI device handed through";
	if (child(disk, "readonly"))
		return "read-only";
	if (child(disk, "shareable"))
		return "shared with other machines";
	if (child(disk, "transient"))
		return "transient: its writes are thrown away when the machine stops";
	if (!is(type, "file") && !is(type, "block"))
		return "neither a file nor a block device of this host";
	if (format && !is(format, "qcow2") && !is(format, "raw"))
		return "neither qcow2 nor raw";
	return NULL;
}

static bool grow(char ***texts, size_t n)
{
	char **grown = realloc(*texts, (n + 1) * sizeof(*grown));
	if (grown)
		*texts = grown;
	return grown != NULL;
}

static bool note_left_out(struct domain_xml *ret, const xmlNode *disk, const char *name, const char *reason,
			  struct err **errp)
{
	AUTO(freep) char *device = attribute(disk, "device");
	AUTO(freep) char *sentence = file_format("%s %s: %s", device ? device : "disk", name, reason);
	AUTO(freep) char *target = strdup(name);
	if (!sentence || !target || !grow(&ret->left_out, ret->n_left_out) ||
	    !grow(&ret->left_out_targets, ret->n_left_out))
		return err_set_no_memory(errp);
	ret->left_out[ret->n_left_out] = STEAL(&sentence);
	ret->left_out_targets[ret->n_left_out] = STEAL(&target);
	ret->n_left_out++;
	return true;
}

/* <backingStore> holds the next one in itself; the last is empty. */
static bool take_below(struct domain_disk *disk, const xmlNode *node, struct err **errp)
{
	for (node = child(node, "backingStore"); node; node = child(node, "backingStore")) {
		AUTO(freep) char *type = attribute(node, "type");
		AUTO(freep) char *path = attribute(child(node, "source"), is(type, "block") ? "dev" : "file");
		if (!path)
			continue;
		if (!grow(&disk->below, disk->n_below))
			return err_set_no_memory(errp);
		disk->below[disk->n_below++] = STEAL(&path);
	}
	return true;
}

static bool add_disk(struct domain_xml *ret, const xmlNode *disk, const char *name, char **source, struct err **errp)
{
	if (ret->n_disks == ENGINE_DISKS_MAX)
		return err_set(errp, ERR_UNSUPPORTED, "has more than %d disks", ENGINE_DISKS_MAX);
	struct domain_disk *grown = realloc(ret->disks, (ret->n_disks + 1) * sizeof(*grown));
	if (!grown)
		return err_set_no_memory(errp);
	ret->disks = grown;
	AUTO(freep) char *type = attribute(disk, "type");
	AUTO(freep) char *format = attribute(child(disk, "driver"), "type");
	struct domain_disk *added = &grown[ret->n_disks];
	*added =
		(struct domain_disk){.block = is(type, "block"), .qcow2 = is(format, "qcow2"), .source = STEAL(source)};
	memcpy(added->name, name, strlen(name) + 1);
	ret->n_disks++;
	return take_below(added, disk, errp);
}

static bool take_disk(struct domain_xml *ret, const xmlNode *disk, struct err **errp)
{
	AUTO(freep) char *name = attribute(child(disk, "target"), "dev");
	if (!name || strlen(name) > ENGINE_NAME_MAX)
		return err_set(errp, ERR_CORRUPT, "the machine's definition has a disk without a fit target");
	AUTO(freep) char *type = attribute(disk, "type");
	AUTO(freep) char *source = attribute(child(disk, "source"), is(type, "block") ? "dev" : "file");
	const char *reason = reason_to_leave_out(disk);
	if (!reason && !source)
		reason = "nothing is inserted";
	if (reason)
		return note_left_out(ret, disk, name, reason, errp);
	return add_disk(ret, disk, name, &source, errp);
}

static bool take_disks(struct domain_xml *ret, const xmlNode *devices, struct err **errp)
{
	for (const xmlNode *node = devices ? devices->children : NULL; node; node = node->next) {
		if (node->type == XML_ELEMENT_NODE && xmlStrEqual(node->name, (const xmlChar *)"disk") &&
		    !take_disk(ret, node, errp))
			return false;
	}
	return true;
}

/* <nvram>PATH</nvram>, or since libvirt 8.5 <nvram type='file'><source file='PATH'/></nvram>. */
static char *nvram_path(const xmlNode *domain)
{
	const xmlNode *nvram = child(child(domain, "os"), "nvram");
	if (!nvram)
		return NULL;
	if (child(nvram, "source"))
		return attribute(child(nvram, "source"), "file");
	char *text = (char *)xmlNodeGetContent(nvram);
	if (text && !*text)
		free(STEAL(&text));
	return text;
}

static void take_agent(struct domain_xml *ret, const xmlNode *devices)
{
	for (const xmlNode *node = devices ? devices->children : NULL; node; node = node->next) {
		if (node->type != XML_ELEMENT_NODE || !xmlStrEqual(node->name, (const xmlChar *)"channel"))
			continue;
		AUTO(freep) char *name = attribute(child(node, "target"), "name");
		AUTO(freep) char *state = attribute(child(node, "target"), "state");
		if (!is(name, "org.qemu.guest_agent.0"))
			continue;
		ret->agent_channel = true;
		ret->agent_connected = is(state, "connected");
	}
}

static void take_qemu_user(struct domain_xml *ret, const xmlNode *root)
{
	for (const xmlNode *node = root->children; node && !ret->qemu_user; node = node->next) {
		if (node->type != XML_ELEMENT_NODE || !xmlStrEqual(node->name, (const xmlChar *)"seclabel"))
			continue;
		AUTO(freep) char *model = attribute(node, "model");
		const xmlNode *label = child(node, "label");
		if (is(model, "dac") && label)
			ret->qemu_user = (char *)xmlNodeGetContent(label);
	}
}

/* "+64055": a number, not a name. */
static bool take_number(const char **at, unsigned *ret)
{
	if ((*at)[0] != '+' || (*at)[1] < '0' || (*at)[1] > '9')
		return false;
	char *end;
	errno = 0;
	unsigned long value = strtoul(*at + 1, &end, 10);
	*at = end;
	*ret = (unsigned)value;
	return errno == 0 && value <= UINT32_MAX;
}

bool domain_xml_qemu_user(const struct domain_xml *domain, uid_t *ret_uid, gid_t *ret_gid)
{
	const char *at = domain->qemu_user;
	return at && take_number(&at, ret_uid) && *at++ == ':' && take_number(&at, ret_gid) && *at == '\0';
}

/* The number that an element says; 0 where there is none. */
static uint64_t number_in(const xmlNode *node)
{
	AUTO(freep) char *text = node ? (char *)xmlNodeGetContent(node) : NULL;
	return text ? strtoull(text, NULL, 10) : 0;
}

/* libvirt always writes KiB, whatever it was told. */
static void take_shape(struct domain_xml *ret, const xmlNode *root)
{
	const xmlNode *memory = child(root, "memory");
	AUTO(freep) char *unit = attribute(memory, "unit");
	uint64_t kib = number_in(memory), vcpus = number_in(child(root, "vcpu"));
	ret->memory = is(unit, "KiB") && kib <= UINT64_MAX / 1024 ? kib * 1024 : 0;
	ret->vcpus = vcpus <= UINT32_MAX ? (unsigned)vcpus : 0;
}

bool domain_xml_parse(const char *xml, struct domain_xml *ret, struct err **errp)
{
	AUTO(free_docp) xmlDoc *doc = parse(xml, "domain", "the machine's definition", errp);
	if (!doc)
		return false;
	const xmlNode *root = xmlDocGetRootElement(doc);
	struct domain_xml domain = {0};
	if (!take_disks(&domain, child(root, "devices"), errp)) {
		domain_xml_release(&domain);
		return false;
	}
	domain.nvram = nvram_path(root);
	take_agent(&domain, child(root, "devices"));
	take_qemu_user(&domain, root);
	take_shape(&domain, root);
	*ret = domain;
	return true;
}

static void release_disk(struct domain_disk *disk)
{
	for (size_t i = 0; i < disk->n_below; i++)
		free(disk->below[i]);
	free(disk->below);
	free(disk->source);
}

void domain_xml_release(struct domain_xml *domain)
{
	for (size_t i = 0; i < domain->n_disks; i++)
		release_disk(&domain->disks[i]);
	for (size_t i = 0; i < domain->n_left_out; i++) {
		free(domain->left_out[i]);
		free(domain->left_out_targets[i]);
	}
	free(domain->disks);
	free(domain->left_out);
	free(domain->left_out_targets);
	free(domain->qemu_user);
	free(domain->nvram);
	*domain = (struct domain_xml){0};
}

bool backup_xml_socket(const char *xml, char **ret, struct err **errp)
{
	AUTO(free_docp) xmlDoc *doc = parse(xml, "domainbackup", "the backup job's description", errp);
	if (!doc)
		return false;
	*ret = attribute(child(xmlDocGetRootElement(doc), "server"), "socket");
	return true;
}
