/* SPDX-License-Identifier: Apache-2.0 */
/* AWS Signature Version 4, as S3 has it: the path is encoded once, and every header that is given is signed. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;

#define S3_TIME_SIZE 17 /* "20130524T000000Z" */

struct s3_header {
	const char *name, *value; /* the name in lower case, the value without blanks at its ends */
};

/* All borrowed. */
struct s3_signing {
	const char *access_key, *secret, *region, *service;
	const char *time;		 /* S3_TIME_SIZE; what x-amz-date says */
	const char *method, *path;	 /* the path percent-encoded */
	const char *query;		 /* percent-encoded, ascending, each with its '='; "" for none */
	const struct s3_header *headers; /* ascending by name; with host */
	size_t n_headers;
	const char *body_hash; /* SHA-256 in hexadecimal, or what stands for it */
};

/* The value of the header Authorization, as a new string. */
NODISCARD char *s3_sign(const struct s3_signing *signing, struct err **errp);
/* In UTC; returns text. */
char *s3_time_text(uint64_t ns, char text[S3_TIME_SIZE]);
