/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <string.h>

#include "base/err.h"
#include "storage/backend.h"

/* Length of "s3+https" in "s3+https://…"; 0 for a path. A path that looks so is written ./like:this. */
static size_t scheme_length(const char *url)
{
	size_t len = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
	return isalpha((unsigned char)url[0]) && url[len] == ':' ? len : 0;
}

struct backend *backend_open(const char *url, bool create, struct err **errp)
{
	size_t scheme = scheme_length(url);
	if (scheme == 0)
		return backend_local_open(url, create, errp);
	err_set(errp, ERR_UNSUPPORTED,
		"'%s': this program keeps repositories in folders, as /backup; it does not speak '%.*s'", url,
		(int)scheme, url);
	return NULL;
}
