/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/libvirt/fit_internal.h"

static xmlNodePtr element(xmlNodePtr node)
{
	while (node && (node->type != XML_ELEMENT_NODE || node->ns))
		node = node->next;
	return node;
}

xmlNodePtr fit_first(xmlNodePtr parent)
{
	return parent ? element(parent->children) : NULL;
}

xmlNodePtr fit_next(xmlNodePtr node)
{
	return element(node->next);
}

bool fit_is(xmlNodePtr node, const char *name)
{
	return node && strcmp((const char *)node->name, name) == 0;
}

xmlNodePtr fit_child(xmlNodePtr parent, const char *name)
{
	xmlNodePtr node = fit_first(parent);
	while (node && !fit_is(node, name))
		node = fit_next(node);
	return node;
}

/* libxml2 may have an allocator of its own: what leaves this file comes from ours. */
static char *own(xmlChar *text)
{
	char *copy = text ? strdup((const char *)text) : NULL;
	xmlFree(text);
	return copy;
}

char *fit_attribute(xmlNodePtr node, const char *name)
{
	return node ? own(xmlGetNoNsProp(node, (const xmlChar *)name)) : NULL;
}

char *fit_text(xmlNodePtr node)
{
	return node ? own(xmlNodeGetContent(node)) : NULL;
}

bool fit_attribute_is(xmlNodePtr node, const char *name, const char *value)
{
	AUTO(freep) char *text = fit_attribute(node, name);
	return text && strcmp(text, value) == 0;
}

xmlNodePtr fit_add(struct fit *fit, xmlNodePtr parent, const char *name)
{
	xmlNodePtr node = parent ? xmlNewChild(parent, NULL, (const xmlChar *)name, NULL) : NULL;
	if (!node)
		fit->no_memory = true;
	return node;
}

void fit_add_text(struct fit *fit, xmlNodePtr parent, const char *name, const char *text)
{
	if (!parent || !xmlNewTextChild(parent, NULL, (const xmlChar *)name, (const xmlChar *)text))
		fit->no_memory = true;
}

void fit_set(struct fit *fit, xmlNodePtr node, const char *name, const char *value)
{
	if (!node || !value || !xmlNewProp(node, (const xmlChar *)name, (const xmlChar *)value))
		fit->no_memory = true;
}

/* Numbers, addresses and names: nothing that could be a path, an option, or markup. */
static bool is_harmless(const char *value)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .:_+-";
	return value[strspn(value, letters)] == '\0';
}

void fit_copy_attribute(struct fit *fit, xmlNodePtr from, const char *name, xmlNodePtr to)
{
	AUTO(freep) char *value = fit_attribute(from, name);
	if (value && is_harmless(value))
		fit_set(fit, to, name, value);
}

void fit_copy_text(struct fit *fit, xmlNodePtr from, const char *name, xmlNodePtr to)
{
	AUTO(freep) char *text = fit_text(fit_child(from, name));
	if (text && is_harmless(text))
		fit_add_text(fit, to, name, text);
	else if (text)
		fit_note(fit, "left out: %s with unusual letters", name);
}

void fit_copy(struct fit *fit, xmlNodePtr from, const char *name, xmlNodePtr to)
{
	xmlNodePtr old = fit_child(from, name);
	if (!old || (!fit->same_board && strcmp(name, "address") == 0))
		return;
	xmlNodePtr copy = fit_add(fit, to, name);
	for (xmlAttrPtr attribute = old->properties; attribute; attribute = attribute->next) {
		if (!attribute->ns)
			fit_copy_attribute(fit, old, (const char *)attribute->name, copy);
	}
}

/* Parts of the text are foreign and end on a terminal: only printable ASCII goes there. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

void fit_note(struct fit *fit, const char *format, ...)
{
	char text[256];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	make_printable(text);
	if (fit->request->note)
		fit->request->note(fit->request->note_arg, text);
}
