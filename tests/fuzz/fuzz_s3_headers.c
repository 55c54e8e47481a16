/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of an answer, a line at a time. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "storage/s3/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct s3_headers headers = {0};
	for (size_t at = 0; at < size;) {
		const uint8_t *end = memchr(data + at, 10, size - at);
		size_t len = end ? (size_t)(end - data) + 1 - at : size - at;
		s3_headers_line(&headers, SPAN(data + at, len));
		at += len;
	}
	assert(!headers.has_range || (headers.first <= headers.last && headers.last < headers.size));
	assert(strlen(headers.version) < sizeof(headers.version) && strlen(headers.region) < sizeof(headers.region));
	return 0;
}
