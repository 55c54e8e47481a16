/* SPDX-License-Identifier: Apache-2.0 */
/* What a request asks for, in the words of S3 and of the repository. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tests/s3/proxy/http.h"

enum { TARGET_SIZE = 4096 };

enum kind { KIND_GET, KIND_PUT, KIND_HEAD, KIND_DELETE, KIND_LIST, KIND_VERSIONS, KIND_OTHER, KINDS };

struct request {
	char method[16];
	char target[TARGET_SIZE];
	char range[64]; /* empty: none */
	enum kind kind;
	char class[8]; /* "p", "m", … "config", or "-" */
};

const char *kind_name(enum kind kind);
bool request_parse(const struct head *head, struct request *ret);
