/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "storage/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct config config;
	(void)!config_parse(SPAN(data, size), &config, &err);
	return 0;
}
