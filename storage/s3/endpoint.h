/* SPDX-License-Identifier: Apache-2.0 */
/* Where requests about one bucket go. Immutable. */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;
struct s3_url;

struct s3_endpoint {
	const char *scheme; /* "https://" or "http://" */
	char *authority;    /* host[:port]; NULL: Amazon's host of the region */
	char *bucket;
	bool in_host; /* the bucket stands in front of the host's name, and not in the path */
};

/* `said` is what the environment says for s3://, or NULL. ERR_USAGE when that is no endpoint. */
NODISCARD bool s3_endpoint_make(const struct s3_url *url, const char *said, struct s3_endpoint *ret, struct err **errp);
void s3_endpoint_release(struct s3_endpoint *endpoint);
/* What the header Host says; a new string, NULL on lack of memory. */
char *s3_endpoint_host(const struct s3_endpoint *endpoint, const char *region);
/* The path of an object, or of the bucket for "", percent-encoded; a new string, NULL on lack of memory. */
char *s3_endpoint_path(const struct s3_endpoint *endpoint, const char *key);
