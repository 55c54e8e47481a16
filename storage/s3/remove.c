/* SPDX-License-Identifier: Apache-2.0 */
/* Removing, which where there are versions means each of them: the newest first, so that the oldest counts to the end.
 */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/s3/backend_internal.h"
#include "storage/s3/encode.h"

enum { AT_ONCE = 1000, QUERY_MAX = 4096 };

bool s3_delete(struct s3 *s3, const char *name, const char *version, struct err **errp)
{
	AUTO(s3_answer_release) struct s3_answer answer = {0};
	AUTO(bytes_release) struct bytes query;
	bytes_init(&query, QUERY_MAX);
	if (version) {
		bytes_put(&query, "versionId=", 10);
		s3_encode(&query, version);
	}
	bytes_u8(&query, '\0');
	if (!bytes_ok(&query))
		return err_set_no_memory(errp);
	const struct s3_request request = {.method = "DELETE",
					   .action = version ? "s3:DeleteObjectVersion" : "s3:DeleteObject",
					   .name = name,
					   .query = version ? (const char *)query.data : NULL};
	return s3_client_request(s3->client, &request, &answer, errp);
}

/* The versions of one page that are of this name, in the order of the page. */
static bool delete_page(struct s3 *s3, const struct s3_page *page, const char *name, bool *ret_there, struct err **errp)
{
	AUTO(freep) char *key = s3_client_key(s3->client, name, errp);
	if (!key)
		return false;
	for (size_t i = 0; i < page->n; i++) {
		if (strcmp(page->entries[i].key, key) != 0)
			continue;
		if (!s3_delete(s3, name, page->entries[i].version, errp))
			return false;
		*ret_there = *ret_there || !page->entries[i].marker;
	}
	return true;
}

static bool delete_versions(struct s3 *s3, const char *name, struct err **errp)
{
	AUTO(s3_page_release) struct s3_page page = {0};
	bool there = false;
	s3_version_forget(&s3->cache, name);
	do {
		if (!s3_list_next(s3, name, AT_ONCE, true, &page, errp) || !delete_page(s3, &page, name, &there, errp))
			return false;
	} while (page.truncated);
	return there || s3_err_not_found(s3, name, errp);
}

bool s3_remove(struct backend *backend, const char *name, struct err **errp)
{
	struct s3 *s3 = s3_of(backend);
	uint64_t size;
	if (atomic_load(&s3->versions))
		return delete_versions(s3, name, errp);
	return s3_size(backend, name, &size, errp) && s3_delete(s3, name, NULL, errp);
}
