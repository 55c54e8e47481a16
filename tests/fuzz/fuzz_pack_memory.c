/* SPDX-License-Identifier: Apache-2.0 */
/* What this machine remembers of packs, as a bad disk may leave it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/pack_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(pack_memory_release) struct pack_memory memory = {0};
	bool ok = pack_memory_parse(SPAN(data, size), &memory, &err);
	assert(ok == (err == NULL));
	return 0;
}
