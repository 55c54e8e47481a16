/* SPDX-License-Identifier: Apache-2.0 */
/* A repository in a bucket of an S3 service. */
#pragma once

#include <stdbool.h>

#include "storage/backend.h"

/* The URL is one of storage/s3/url.h. */
bool backend_s3_speaks(const char *url);
/* With options->create, refuses a place that holds something else, and finds out how the service tells who was first.
 */
NODISCARD struct backend *backend_s3_open(const char *url, const struct backend_options *options, struct err **errp);
