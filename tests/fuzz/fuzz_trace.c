/* SPDX-License-Identifier: Apache-2.0 */
/* The runs of a boot trace, opened; what is accepted is encoded to the same bytes again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "storage/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(trace_release) struct trace trace = {0};
	AUTO(bytes_release) struct bytes again = {0};
	bool ok = trace_parse(SPAN(data, size), &trace, &err);
	assert(ok == (err == NULL));
	if (!ok || !trace_encode(&trace, &again, &err))
		return 0;
	assert(again.len == size && memcmp(again.data, data, size) == 0);
	return 0;
}
