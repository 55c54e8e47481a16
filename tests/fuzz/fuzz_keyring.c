/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "storage/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(keyring_release) struct keyring keyring = {0};
	(void)!keyring_parse(SPAN(data, size), &keyring, &err);
	return 0;
}
