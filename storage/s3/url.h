/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a person writes for a repository in a bucket:
 *
 *   s3://BUCKET[/PREFIX]                       Amazon's, or the endpoint that AWS_ENDPOINT_URL_S3 names
 *   s3+https://HOST[:PORT]/BUCKET[/PREFIX]     any other; s3+http:// without TLS, only when written so
 *
 * and behind it, after a '?', what overrules the environment: region=NAME, style=path or style=host, joined by '&'.
 * Nothing is percent-encoded in it.
 */
#pragma once

#include <stdbool.h>

#include "base/compiler.h"

struct err;

/* Where the bucket's name stands: in the path, or in front of the host's name. */
enum s3_style { S3_STYLE_UNSAID, S3_STYLE_PATH, S3_STYLE_HOST };

struct s3_url {
	char *endpoint; /* "https://host:port" in lower case; NULL for s3:// */
	char *bucket;
	char *prefix; /* without a slash at either end; may be empty */
	char *region; /* NULL: not said */
	enum s3_style style;
};

/* Begins with s3, whether it is right or not. */
bool s3_url_is_one(const char *url);
/* ERR_USAGE in a sentence that says what is wrong. */
NODISCARD bool s3_url_parse(const char *url, struct s3_url *ret, struct err **errp);
/* Without the credentials that somebody wrote into it, for messages. A new string; NULL on lack of memory. */
char *s3_url_shown(const char *url);
void s3_url_release(struct s3_url *url);
/* Only checks the address of an endpoint, as the environment gives it: http(s)://host[:port]. */
NODISCARD bool s3_url_check_endpoint(const char *endpoint, struct err **errp);
