/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The XML that S3 answers with. It comes from outside: its size is limited by who receives it, documents with a DTD are
 * refused (so there are no entities), and nothing is fetched for it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "storage/s3/headers.h"

struct err;

enum { S3_ANSWER_MAX = 8 << 20 };

/* Why a request failed. All "" where it was not said. */
struct s3_error {
	char code[64], message[256], region[64];
};

/* False when the text is no <Error>. */
bool s3_error_parse(struct span xml, struct s3_error *ret);

struct s3_entry {
	char *key, *version; /* version: shorter than S3_VERSION_SIZE; NULL in a list of objects */
	uint64_t size;
	bool marker; /* a delete marker, which has no bytes */
};

/* One page of a list of objects, or of a list of their versions: ascending by key, and the newest version first. */
struct s3_page {
	struct s3_entry *entries;
	size_t n;
	bool truncated;		       /* there are more: */
	char *token;		       /* of objects */
	char *next_key, *next_version; /* of versions; next_version may be NULL */
};

/* A page of versions, each with its version, or of objects. ERR_FAILED when it is no such page. */
NODISCARD bool s3_page_parse(struct span xml, bool versions, struct s3_page *ret, struct err **errp);
void s3_page_release(struct s3_page *page);

enum s3_versioning { S3_UNVERSIONED, S3_VERSIONED, S3_SUSPENDED };
NODISCARD bool s3_versioning_parse(struct span xml, enum s3_versioning *ret, struct err **errp);
