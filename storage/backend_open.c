/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/err.h"
#include "storage/backend.h"
#include "storage/s3/backend.h"

/* Length of "s3+https" in "s3+https://…"; 0 for a path. A path that looks so is written ./like:this. */
static size_t scheme_length(const char *url)
{
	size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	return isalpha((unsigned char)url[0]) && url[len] == ':' ? len : 0;
}

struct backend *backend_open(const char *url, const struct backend_options *options, struct err **errp)
{
	size_t scheme = scheme_length(url);
	if (scheme == 0)
		return backend_local_open(url, options->create, errp);
	if (backend_s3_speaks(url))
		return backend_s3_open(url, options, errp);
	err_set(errp, ERR_USAGE,
		"'%s': a repository is in a folder, as /backup, or in a bucket, as s3://bucket/prefix or "
		"s3+https://host/bucket/prefix; '%.*s' is neither",
		url, (int)scheme, url);
	return NULL;
}
