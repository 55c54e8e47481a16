/* SPDX-License-Identifier: Apache-2.0 */
/* The placement of a commit with two streams, one of them empty. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/commit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(commit_release) struct commit commit = {.kind = COMMIT_POINT};
	commit.point.streams = calloc(2, sizeof(*commit.point.streams));
	assert(commit.point.streams);
	commit.point.n_streams = 2;
	commit.point.streams[0].top.id.b[0] = 1;
	bool ok = placement_parse(SPAN(data, size), &commit, &err);
	AUTO(bytes_release) struct bytes again;
	bytes_init(&again, COMMIT_MAX_BYTES);
	if (ok) {
		assert(placement_encode(&commit, &again, &err));
		assert(again.len == size && memcmp(again.data, data, size) == 0);
	}
	assert(ok == (err == NULL));
	return 0;
}
