/* SPDX-License-Identifier: Apache-2.0 */
/* A segment of an index, as a bad disk may leave it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/index_segment.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	bool ok = index_segment_check(SPAN(data, size), &err);
	assert(ok == (err == NULL));
	return 0;
}
