/* SPDX-License-Identifier: Apache-2.0 */
/* The registration of a session, without its trailer. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/registration.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct registration registration;
	bool ok = registration_parse(SPAN(data, size), &registration, &err);
	assert(ok == (err == NULL));
	return 0;
}
