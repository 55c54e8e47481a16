/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "storage/slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct slot slot;
	(void)!slot_parse(SPAN(data, size), &slot, &err);
	return 0;
}
