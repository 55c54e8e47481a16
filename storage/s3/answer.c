/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/answer.h"

#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { PAGE_ENTRIES_MAX = 10000 };

static void free_docp(xmlDoc **doc)
{
	xmlFreeDoc(*doc);
}

static xmlDoc *parse(struct span xml)
{
	if (xml.len > S3_ANSWER_MAX)
		return NULL;
	xmlDoc *doc = xmlReadMemory(xml.data, (int)xml.len, NULL, NULL,
				    XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
	if (doc && doc->intSubset) {
		xmlFreeDoc(doc);
		return NULL;
	}
	return doc;
}

static bool is_named(const xmlNode *node, const char *name)
{
	return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

static const xmlNode *root_of(xmlDoc *doc, const char *name)
{
	const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
	return root && is_named(root, name) ? root : NULL;
}

/* The text of a child that has nothing but text; NULL where there is none. Borrowed. */
static const char *text_of(const xmlNode *parent, const char *name)
{
	for (const xmlNode *node = parent->children; node; node = node->next) {
		const xmlNode *text = node->children;
		if (!is_named(node, name))
			continue;
		if (!text)
			return "";
		return text->type == XML_TEXT_NODE && !text->next ? (const char *)text->content : NULL;
	}
	return NULL;
}

/* As much of it as there is room for, and nothing in it that steers a terminal. */
static void copy_text(const xmlNode *parent, const char *name, char *ret, size_t size)
{
	const char *text = text_of(parent, name);
	size_t len = text ? strnlen(text, size - 1) : 0;
	for (size_t i = 0; i < len; i++) {
		const unsigned char byte = (unsigned char)text[i];
		ret[i] = byte > 0x7f ? '?' : byte < 0x20 || byte == 0x7f ? ' ' : text[i];
	}
	ret[len] = '\0';
}

bool s3_error_parse(struct span xml, struct s3_error *ret)
{
	*ret = (struct s3_error){0};
	AUTO(free_docp) xmlDoc *doc = parse(xml);
	const xmlNode *root = root_of(doc, "Error");
	if (!root)
		return false;
	copy_text(root, "Code", ret->code, sizeof(ret->code));
	copy_text(root, "Message", ret->message, sizeof(ret->message));
	copy_text(root, "Region", ret->region, sizeof(ret->region));
	return true;
}

void s3_page_release(struct s3_page *page)
{
	for (size_t i = 0; i < page->n; i++) {
		free(page->entries[i].key);
		free(page->entries[i].version);
	}
	free(page->entries);
	free(page->token);
	free(page->next_key);
	free(page->next_version);
	*page = (struct s3_page){0};
}

static bool malformed(struct err **errp)
{
	return err_set(errp, ERR_FAILED, "the answer is not the list that was asked for");
}

static bool copy(const char *text, char **ret, struct err **errp)
{
	if (!text)
		return true;
	*ret = strdup(text);
	return *ret || err_set_no_memory(errp);
}

static bool parse_size(const char *text, uint64_t *ret)
{
	const size_t len = text ? strlen(text) : 0;
	if (len == 0 || len > 19 || strspn(text, "0123456789") != len)
		return false;
	*ret = strtoull(text, NULL, 10);
	return true;
}

static bool parse_entry(const xmlNode *node, bool versions, struct s3_page *page, struct err **errp)
{
	struct s3_entry *entry = &page->entries[page->n];
	const char *key = text_of(node, "Key"), *version = versions ? text_of(node, "VersionId") : NULL;
	*entry = (struct s3_entry){.marker = is_named(node, "DeleteMarker")};
	if (!key || (versions && (!version || strlen(version) >= S3_VERSION_SIZE)) ||
	    (!entry->marker && !parse_size(text_of(node, "Size"), &entry->size)))
		return malformed(errp);
	page->n++;
	return copy(key, &entry->key, errp) && copy(version, &entry->version, errp);
}

static bool is_entry(const xmlNode *node, bool versions)
{
	return versions ? is_named(node, "Version") || is_named(node, "DeleteMarker") : is_named(node, "Contents");
}

static bool parse_entries(const xmlNode *root, bool versions, struct s3_page *page, struct err **errp)
{
	size_t n = 0;
	for (const xmlNode *node = root->children; node; node = node->next)
		n += is_entry(node, versions);
	if (n > PAGE_ENTRIES_MAX)
		return malformed(errp);
	page->entries = calloc(n > 0 ? n : 1, sizeof(*page->entries));
	if (!page->entries)
		return err_set_no_memory(errp);
	for (const xmlNode *node = root->children; node; node = node->next)
		if (is_entry(node, versions) && !parse_entry(node, versions, page, errp))
			return false;
	return true;
}

static bool parse_page(const xmlNode *root, bool versions, struct s3_page *page, struct err **errp)
{
	const char *truncated = text_of(root, "IsTruncated");
	if (!truncated || (strcmp(truncated, "true") != 0 && strcmp(truncated, "false") != 0))
		return malformed(errp);
	page->truncated = strcmp(truncated, "true") == 0;
	if (!parse_entries(root, versions, page, errp) ||
	    !copy(text_of(root, "NextContinuationToken"), &page->token, errp) ||
	    !copy(text_of(root, "NextKeyMarker"), &page->next_key, errp) ||
	    !copy(text_of(root, "NextVersionIdMarker"), &page->next_version, errp))
		return false;
	return !page->truncated || (versions ? page->next_key : page->token) || malformed(errp);
}

bool s3_page_parse(struct span xml, bool versions, struct s3_page *ret, struct err **errp)
{
	struct s3_page page = {0};
	AUTO(free_docp) xmlDoc *doc = parse(xml);
	const xmlNode *root = root_of(doc, versions ? "ListVersionsResult" : "ListBucketResult");
	if (!root)
		return malformed(errp);
	if (!parse_page(root, versions, &page, errp)) {
		s3_page_release(&page);
		return false;
	}
	*ret = page;
	return true;
}

bool s3_versioning_parse(struct span xml, enum s3_versioning *ret, struct err **errp)
{
	AUTO(free_docp) xmlDoc *doc = parse(xml);
	const xmlNode *root = root_of(doc, "VersioningConfiguration");
	if (!root)
		return err_set(errp, ERR_FAILED, "the answer does not say whether the bucket keeps versions");
	const char *status = text_of(root, "Status");
	if (!status)
		*ret = S3_UNVERSIONED;
	else
		*ret = strcmp(status, "Enabled") == 0 ? S3_VERSIONED : S3_SUSPENDED;
	return true;
}
