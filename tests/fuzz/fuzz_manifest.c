/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest of an index, as a bad disk may leave it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/index_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(manifest_release) struct manifest manifest = {0};
	bool ok = manifest_parse(SPAN(data, size), &manifest, &err);
	assert(ok == (err == NULL));
	return 0;
}
