/* SPDX-License-Identifier: Apache-2.0 */
/* A list of packs, without its trailer. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/list.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(list_release) struct list list = {0};
	bool ok = list_parse(SPAN(data, size), &list, &err);
	assert(ok == (err == NULL));
	return 0;
}
