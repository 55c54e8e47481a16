/* SPDX-License-Identifier: Apache-2.0 */
/* A page that somebody handed on. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "restore/receipt_html.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(receipt_release) struct receipt receipt = {0};
	AUTO(bytes_release) struct bytes file = {0};
	bool ok = receipt_html_read(SPAN(data, size), &receipt, &file, &err);
	assert(ok == (err == NULL));
	return 0;
}
