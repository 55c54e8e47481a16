/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/s3/proxy/request.h"

#include <stdio.h>
#include <string.h>

static const char *const kind_names[KINDS] = {
	[KIND_GET] = "get",   [KIND_PUT] = "put",	    [KIND_HEAD] = "head",   [KIND_DELETE] = "delete",
	[KIND_LIST] = "list", [KIND_VERSIONS] = "versions", [KIND_OTHER] = "other",
};

const char *kind_name(enum kind kind)
{
	return kind_names[kind];
}

static bool has_parameter(const char *query, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = query; at; at = strchr(at, '&')) {
		at += *at == '&';
		if (strncmp(at, name, len) == 0 && strchr("=&", at[len]))
			return true;
	}
	return false;
}

static bool has_key(const char *target)
{
	const char *bucket = strchr(target + 1, '/');
	const char *query = strchr(target, '?');

	return bucket && (!query || bucket < query) && bucket[1] != '\0' && bucket[1] != '?';
}

static enum kind find_kind(const struct request *request)
{
	const char *query = strchr(request->target, '?');

	query = query ? query + 1 : "";
	if (has_parameter(query, "versions"))
		return KIND_VERSIONS;
	if (strcmp(request->method, "GET") == 0 &&
	    (has_parameter(query, "list-type") || has_parameter(query, "prefix")))
		return KIND_LIST;
	if (!has_key(request->target))
		return KIND_OTHER;
	for (enum kind kind = KIND_GET; kind <= KIND_DELETE; kind++) {
		if (strcasecmp(request->method, kind_names[kind]) == 0)
			return kind;
	}
	return KIND_OTHER;
}

/* The first part of a path that is the class of an object. A listing has its path in prefix=, where "/" may be "%2F".
 */
static void find_class(const char *target, char *ret, size_t size)
{
	char path[TARGET_SIZE + 1] = "/";
	size_t len = 1;

	for (const char *at = target; *at != '\0' && len < sizeof(path) - 2; at++) {
		bool slash = strncasecmp(at, "%2f", 3) == 0;
		path[len++] = slash || strchr("?&=", *at) ? '/' : *at;
		at += slash ? 2 : 0;
	}
	path[len] = '/';
	snprintf(ret, size, "%s", strstr(path, "/config/") ? "config" : "-");
	for (const char *at = path; (at = strchr(at, '/')) && at[1] != '\0'; at++) {
		if (at[2] == '/' && strchr("kswpmlcdgvtrhbi", at[1])) {
			snprintf(ret, size, "%c", at[1]);
			return;
		}
	}
}

bool request_parse(const struct head *head, struct request *ret)
{
	*ret = (struct request){0};
	if (sscanf(head->text, "%15s %4095s HTTP/1.", ret->method, ret->target) != 2 || ret->target[0] != '/')
		return false;
	if (!head_value(head, "Range", ret->range, sizeof(ret->range)))
		ret->range[0] = '\0';
	ret->kind = find_kind(ret);
	find_class(ret->target, ret->class, sizeof(ret->class));
	return true;
}
