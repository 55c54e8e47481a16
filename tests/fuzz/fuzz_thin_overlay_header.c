/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "hypervisor/thin/overlay_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct overlay_header header;
	(void)!overlay_header_parse(SPAN(data, size), &header, &err);
	return 0;
}
