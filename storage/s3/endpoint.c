/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/s3/endpoint.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "storage/s3/encode.h"
#include "storage/s3/url.h"

enum { PATH_MAX_BYTES = 8192 };

void s3_endpoint_release(struct s3_endpoint *endpoint)
{
	free(endpoint->authority);
	free(endpoint->bucket);
	*endpoint = (struct s3_endpoint){0};
}

/* Amazon's certificates are for one label in front of theirs, so a bucket with dots goes into the path. */
static bool stands_in_host(const struct s3_url *url, bool amazon)
{
	if (url->style != S3_STYLE_UNSAID)
		return url->style == S3_STYLE_HOST;
	return amazon && !strchr(url->bucket, '.');
}

static char *authority_of(const char *address)
{
	const char *start = strstr(address, "://");
	return start ? strndup(start + 3, strcspn(start + 3, "/")) : NULL;
}

/* The one of the environment may end in a slash, and in nothing else. */
static bool check_said(const char *said, struct err **errp)
{
	size_t len = strlen(said);
	AUTO(freep) char *bare = strndup(said, len > 0 && said[len - 1] == '/' ? len - 1 : len);
	AUTO(freep) char *shown = s3_url_shown(said);
	if (!bare || !shown)
		return err_set_no_memory(errp);
	return s3_url_check_endpoint(bare, errp) ||
	       err_prefix(errp, "the endpoint '%s', which the environment or the profile names", shown);
}

bool s3_endpoint_make(const struct s3_url *url, const char *said, struct s3_endpoint *ret, struct err **errp)
{
	const char *address = url->endpoint ? url->endpoint : said;
	if (!url->endpoint && said && !check_said(said, errp))
		return false;
	struct s3_endpoint endpoint = {
		.scheme = address && strncmp(address, "http://", 7) == 0 ? "http://" : "https://",
		.authority = address ? authority_of(address) : NULL,
		.bucket = strdup(url->bucket),
		.in_host = stands_in_host(url, !address),
	};
	if (!endpoint.bucket || (address && !endpoint.authority)) {
		s3_endpoint_release(&endpoint);
		return err_set_no_memory(errp);
	}
	*ret = endpoint;
	return true;
}

char *s3_endpoint_host(const struct s3_endpoint *endpoint, const char *region)
{
	const char *bucket = endpoint->in_host ? endpoint->bucket : "", *dot = endpoint->in_host ? "." : "";
	if (endpoint->authority)
		return file_format("%s%s%s", bucket, dot, endpoint->authority);
	return file_format("%s%ss3.%s.amazonaws.com%s", bucket, dot, region,
			   strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

char *s3_endpoint_path(const struct s3_endpoint *endpoint, const char *key)
{
	AUTO(bytes_release) struct bytes path;
	bytes_init(&path, PATH_MAX_BYTES);
	if (!endpoint->in_host) {
		bytes_u8(&path, '/');
		s3_encode(&path, endpoint->bucket);
	}
	if (*key || endpoint->in_host)
		bytes_u8(&path, '/');
	s3_encode_path(&path, key);
	bytes_u8(&path, '\0');
	return bytes_ok(&path) ? strdup((const char *)path.data) : NULL;
}
