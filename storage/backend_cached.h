/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend before one that is far away. It keeps on disk what has one content for ever, and is asked for again.
 * Nothing is kept that is not sealed or signed, and nothing that is kept is believed: who reads it authenticates it as
 * if it had just been fetched, and calls backend_read_again() when that fails. What is there, and how large, is always
 * asked of the far one.
 */
#pragma once

#include "storage/backend.h"
#include "storage/cache_file.h"

#define STORE_SIZE 16
#define BACKEND_CACHE_BYTES (UINT64_C(1) << 30)

enum cache_extent {
	CACHE_RECORDS, /* keyrings, commits, lists, traces: a LIST decides which are there */
	CACHE_TREES,   /* and tree nodes and the ends of packs, as if these were still there: for those who only read */
	CACHE_CONTENTS, /* and the sealed bytes of chunks: for a disk that is read here and there, and twice */
};

struct backend_cache_options {
	const char *folder; /* made when something is to be kept */
	uint64_t max_bytes; /* of all that is in it, of every repository */
	enum cache_extent extent;
	bool fresh; /* what was there before is fetched again: for those who are to see what the store has now */
	uint8_t run[CACHE_RUN_SIZE]; /* with fresh: the same for processes that are one run; zero: a new one */
};

/* Takes over the far backend, on failure too. store tells repositories apart. */
NODISCARD struct backend *backend_cached_new(struct backend *far, const uint8_t store[STORE_SIZE],
					     const struct backend_cache_options *options, struct err **errp);
