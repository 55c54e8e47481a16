/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of an answer, as far as we heed them. What is malformed counts as absent. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* Amazon's have 32 letters, Ceph's as many; longer ones than these are refused. */
enum { S3_VERSION_SIZE = 256, S3_REGION_SIZE = 64 };

struct s3_headers {
	/* Content-Range: with first and last, or without where the range lies behind the end. */
	bool has_range, has_size;
	uint64_t first, last, size;
	bool versioned;		       /* the bucket keeps versions, or has kept them */
	char version[S3_VERSION_SIZE]; /* "" for none, and for the one that a list calls "null" */
	bool delete_marker;
	char region[S3_REGION_SIZE]; /* of the bucket; "" */
	uint64_t date_ns;	     /* what their clock says; 0: nothing */
	uint32_t retry_after_s;
	bool html;
};

/* One line, with or without its end. A status line begins anew. */
void s3_headers_line(struct s3_headers *headers, struct span line);
