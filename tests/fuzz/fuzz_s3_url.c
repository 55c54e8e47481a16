/* SPDX-License-Identifier: Apache-2.0 */
/* The address of a repository, and where requests to it go. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/s3/endpoint.h"
#include "storage/s3/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_url_release) struct s3_url url = {0};
	AUTO(s3_endpoint_release) struct s3_endpoint endpoint = {0};
	AUTO(freep) char *text = strndup((const char *)data, size);
	bool ok = text && s3_url_parse(text, &url, &err);
	assert(ok == (err == NULL) || !text);
	if (!ok || !s3_endpoint_make(&url, NULL, &endpoint, &err))
		return 0;
	AUTO(freep) char *host = s3_endpoint_host(&endpoint, "region");
	AUTO(freep) char *path = s3_endpoint_path(&endpoint, url.prefix);
	assert(!host || (*host && !strpbrk(host, "/?#@ \r\n")));
	assert(!path || (path[0] == 0x2f && !strpbrk(path, "?# \r\n")));
	return 0;
}
