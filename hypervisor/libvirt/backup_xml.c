/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must outlive the run is written into the checkpoint's description, a line "disk size identity" for each tracked
 * disk: libvirt keeps it exactly as long as the bitmap that it speaks of.
 */
#include "hypervisor/libvirt/backup_xml.h"

#include <errno.h>
#include <inttypes.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/file.h"

enum { DESCRIPTION_MAX = ENGINE_DISKS_MAX * (ENGINE_NAME_MAX + 44) };

static void free_docp(xmlDoc **doc)
{
	xmlFreeDoc(*doc);
}

static xmlNode *add(xmlNode *parent, const char *name)
{
	return parent ? xmlNewChild(parent, NULL, (const xmlChar *)name, NULL) : NULL;
}

static void set(xmlNode *node, const char *name, const char *value)
{
	if (node)
		xmlNewProp(node, (const xmlChar *)name, (const xmlChar *)value);
}

static xmlDoc *new_doc(const char *root, xmlNode **ret_root)
{
	xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
	if (!doc)
		return NULL;
	*ret_root = xmlNewNode(NULL, (const xmlChar *)root);
	if (*ret_root)
		xmlDocSetRootElement(doc, *ret_root);
	return doc;
}

static char *doc_text(xmlDoc *doc)
{
	xmlChar *text = NULL;
	int length;
	xmlDocDumpMemory(doc, &text, &length);
	return (char *)text;
}

static void add_job_disk(xmlNode *disks, const struct plan *plan, const struct plan_disk *disk)
{
	xmlNode *node = add(disks, "disk");
	set(node, "name", disk->name);
	set(node, "backup", "yes");
	set(node, "type", "file");
	set(node, "exportname", disk->name);
	set(node, "backupmode", disk->fallback ? "full" : "incremental");
	if (!disk->fallback)
		set(node, "incremental", plan->parent);
	set(add(node, "scratch"), "file", disk->scratch);
}

static void add_left_out(xmlNode *disks, const char *attribute, const char *name)
{
	xmlNode *node = add(disks, "disk");
	set(node, "name", name);
	set(node, attribute, "no");
}

char *backup_xml_job(const struct plan *plan)
{
	xmlNode *root = NULL;
	AUTO(free_docp) xmlDoc *doc = new_doc("domainbackup", &root);
	if (!root)
		return NULL;
	set(root, "mode", "pull");
	xmlNode *server = add(root, "server");
	set(server, "transport", "unix");
	set(server, "socket", plan->socket);
	xmlNode *disks = add(root, "disks");
	for (size_t i = 0; i < plan->n_disks; i++)
		add_job_disk(disks, plan, &plan->disks[i]);
	for (size_t i = 0; i < plan->n_left_out; i++)
		add_left_out(disks, "backup", plan->left_out[i]);
	return doc_text(doc);
}

static char *description(const struct plan *plan)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);
	if (!stream)
		return NULL;
	for (size_t i = 0; i < plan->n_disks; i++) {
		const struct plan_disk *disk = &plan->disks[i];
		if (disk->tracked)
			fprintf(stream, "%s %" PRIu64 " %" PRIu64 "\n", disk->name, disk->size, disk->identity);
	}
	if (fclose(stream) == 0)
		return text;
	free(text);
	return NULL;
}

char *backup_xml_checkpoint(const struct plan *plan)
{
	xmlNode *root = NULL;
	AUTO(free_docp) xmlDoc *doc = new_doc("domaincheckpoint", &root);
	AUTO(freep) char *text = description(plan);
	if (!root || !text)
		return NULL;
	xmlNewTextChild(root, NULL, (const xmlChar *)"name", (const xmlChar *)plan->checkpoint);
	xmlNewTextChild(root, NULL, (const xmlChar *)"description", (const xmlChar *)text);
	xmlNode *disks = add(root, "disks");
	for (size_t i = 0; i < plan->n_disks; i++) {
		xmlNode *node = add(disks, "disk");
		set(node, "name", plan->disks[i].name);
		set(node, "checkpoint", plan->disks[i].tracked ? "bitmap" : "no");
	}
	for (size_t i = 0; i < plan->n_left_out; i++)
		add_left_out(disks, "checkpoint", plan->left_out[i]);
	return doc_text(doc);
}

static char *description_of(const char *xml)
{
	size_t length = strlen(xml);
	if (length > INT32_MAX)
		return NULL;
	AUTO(free_docp)
	xmlDoc *doc =
		xmlReadMemory(xml, (int)length, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
	const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	for (xmlNode *node = root ? root->children : NULL; node; node = node->next) {
		if (node->type == XML_ELEMENT_NODE && xmlStrEqual(node->name, (const xmlChar *)"description"))
			return (char *)xmlNodeGetContent(node);
	}
	return NULL;
}

/* A blank and a decimal number. */
static bool take_number(const char **at, uint64_t *ret)
{
	char *end;
	if ((*at)[0] != ' ' || (*at)[1] < '0' || (*at)[1] > '9')
		return false;
	errno = 0;
	*ret = strtoull(*at + 1, &end, 10);
	*at = end;
	return errno == 0;
}

bool checkpoint_xml_disk(const char *xml, const char *disk, uint64_t *ret_size, uint64_t *ret_identity)
{
	AUTO(freep) char *text = description_of(xml);
	size_t name_length = strlen(disk);
	if (!text || strlen(text) > DESCRIPTION_MAX)
		return false;
	char *rest = NULL;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		line += strspn(line, " \t");
		if (strncmp(line, disk, name_length) == 0 && line[name_length] == ' ') {
			const char *at = line + name_length;
			return take_number(&at, ret_size) && take_number(&at, ret_identity);
		}
	}
	return false;
}

void plan_release(struct plan *plan)
{
	for (size_t i = 0; i < plan->n_disks; i++)
		free(plan->disks[i].scratch);
	*plan = (struct plan){0};
}
