/* SPDX-License-Identifier: Apache-2.0 */
/* The statement of a commit; what is accepted is encoded to the same bytes. */
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
	AUTO(point_release) struct point point = {0};
	AUTO(bytes_release) struct bytes again;
	bytes_init(&again, COMMIT_MAX_BYTES);
	bool ok = statement_parse(SPAN(data, size), &point, &err);
	if (ok) {
		assert(statement_encode(&point, &again, &err));
		assert(again.len == size && memcmp(again.data, data, size) == 0);
	}
	assert(ok == (err == NULL));
	return 0;
}
