/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of a session, as a killed run or a bad disk may leave it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(list_release) struct list list = {0};
	bool ok = journal_parse(SPAN(data, size), &list, &err);
	assert(ok == (err == NULL));
	return 0;
}
