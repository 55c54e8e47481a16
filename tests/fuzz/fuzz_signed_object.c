/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "storage/signed_object.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span body;
	uint8_t signer[WRITER_SIZE];
	if (signed_object_split(SPAN(data, size), &body, signer) && body.len + SIGNED_TRAILER_SIZE != size)
		__builtin_trap();
	return 0;
}
