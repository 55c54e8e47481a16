/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of fitting share. */
#pragma once

#include <libxml/tree.h>
#include <stdbool.h>

#include "base/compiler.h"
#include "hypervisor/libvirt/fit.h"

struct fit {
	const struct fit_request *request;
	const struct fit_host *host;
	xmlNodePtr old;	    /* <domain> as it was; NULL for a plain machine */
	xmlNodePtr domain;  /* the new one */
	xmlNodePtr devices; /* of the new one */
	bool same_board;    /* same family of machine: addresses of devices stay valid */
	bool no_memory;	    /* some node could not be made */
	unsigned interfaces;
};

/* fit_xml.c. Reading: NULL nodes have no children and no attributes. */
xmlNodePtr fit_child(xmlNodePtr parent, const char *name);
xmlNodePtr fit_first(xmlNodePtr parent); /* element of any name */
xmlNodePtr fit_next(xmlNodePtr node);
bool fit_is(xmlNodePtr node, const char *name);
/* New strings; NULL where there is none. */
char *fit_attribute(xmlNodePtr node, const char *name);
char *fit_text(xmlNodePtr node);
bool fit_attribute_is(xmlNodePtr node, const char *name, const char *value);
/* Building: NULL parents are accepted, a lack of memory is remembered. */
xmlNodePtr fit_add(struct fit *fit, xmlNodePtr parent, const char *name);
void fit_add_text(struct fit *fit, xmlNodePtr parent, const char *name, const char *text);
void fit_set(struct fit *fit, xmlNodePtr node, const char *name, const char *value);
/* Copies the first child of that name, its attributes only. Addresses are not copied to another board. */
void fit_copy(struct fit *fit, xmlNodePtr from, const char *name, xmlNodePtr to);
/* One attribute, and the text of the first child of that name; without what holds more than numbers and names do. */
void fit_copy_attribute(struct fit *fit, xmlNodePtr from, const char *name, xmlNodePtr to);
void fit_copy_text(struct fit *fit, xmlNodePtr from, const char *name, xmlNodePtr to);
void fit_note(struct fit *fit, const char *format, ...) PRINTF_LIKE(2, 3);

/* fit_machine.c */
NODISCARD bool fit_machine(struct fit *fit, struct err **errp);
/* fit_disk.c */
void fit_disks(struct fit *fit);
/* fit_device.c */
void fit_devices(struct fit *fit);
/* fit_network.c */
void fit_interface(struct fit *fit, xmlNodePtr old);
void fit_restrict_network(struct fit *fit);
