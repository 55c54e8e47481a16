/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request and its answer over libcurl: HTTP/1.1, on connections that are kept. Each handle has one connection;
 * there are as many as there were requests at once. Thread-safe.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "storage/s3/headers.h"
#include "storage/s3/sign.h"

struct cancel;
struct err;
struct s3_http;

struct s3_http_options {
	const char *ca_bundle;	     /* instead of the system's; NULL */
	uint64_t rate;		     /* bytes a second; 0: no limit */
	const struct cancel *cancel; /* once requested, a transfer has a few seconds left; NULL */
};

/* All borrowed for the call. */
struct s3_exchange {
	const char *method, *url;
	const struct s3_header *headers;
	size_t n_headers;
	struct span body; /* of a PUT */
	void *data;	  /* NULL, or where the body of an answer with a part (206) goes: */
	size_t room;
	size_t text_max; /* the most that any other body may have */
	bool impatient;	 /* a neighbour is asked, which answers at once or not at all */
};

struct s3_answer {
	long status;
	struct s3_headers headers;
	size_t len;	   /* how much went to `data` */
	struct bytes text; /* any other body */
	bool too_long;	   /* there was more than text_max, or room */
};

/* LOST: no whole answer came; what was asked for may have been done, and another try may help. */
enum s3_outcome { S3_ANSWERED, S3_LOST, S3_HOPELESS };

NODISCARD struct s3_http *s3_http_new(const struct s3_http_options *options, struct err **errp);
/* Nobody may be in it any more. */
void s3_http_free(struct s3_http *http);
DEFINE_AUTO_FREE(struct s3_http, s3_http_free);

/* Unless it was answered, says why. *ret is to be released whatever the outcome. Blocks. */
NODISCARD enum s3_outcome s3_http_exchange(struct s3_http *http, const struct s3_exchange *exchange,
					   struct s3_answer *ret, struct err **errp);
void s3_answer_release(struct s3_answer *answer);
