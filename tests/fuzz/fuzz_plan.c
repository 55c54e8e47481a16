/* SPDX-License-Identifier: Apache-2.0 */
/* The plan of a collection, without its trailer. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/collection.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(pack_set_release) struct pack_set packs = {0};
	uint64_t x;
	bool ok = collection_parse_plan(SPAN(data, size), &x, &packs, &err);
	assert(ok == (err == NULL));
	return 0;
}
