/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a collection, without its trailer. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/collection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(collection_release) struct collection collection = {0};
	bool ok = collection_parse_final(SPAN(data, size), &collection, &err);
	assert(ok == (err == NULL));
	return 0;
}
