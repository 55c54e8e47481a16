/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "storage/identity.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t material[MATERIAL_SIZE];
	(void)!key_file_parse(SPAN(data, size), material, &err);
	return 0;
}
