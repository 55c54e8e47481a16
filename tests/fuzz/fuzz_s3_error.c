/* SPDX-License-Identifier: Apache-2.0 */
/* Why a request failed, as a service says it: what comes of it goes to a terminal. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "storage/s3/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct s3_error error;
	if (!s3_error_parse(SPAN(data, size), &error))
		assert(!error.code[0] && !error.message[0] && !error.region[0]);
	for (const char *at = error.message; *at; at++)
		assert(*at >= 0x20 && *at < 0x7f);
	return 0;
}
