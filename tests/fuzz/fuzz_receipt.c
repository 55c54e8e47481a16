/* SPDX-License-Identifier: Apache-2.0 */
/* A receipt file, and its statement: the signature would keep everything from the parser behind it. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/receipt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STATEMENT_AT = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL, *of_statement = NULL;
	AUTO(receipt_release) struct receipt receipt = {0}, statement = {0};
	bool ok = receipt_parse(SPAN(data, size), &receipt, &err);
	assert(ok == (err == NULL));
	if (size < STATEMENT_AT + SIGNATURE_SIZE)
		return 0;
	uint32_t len = bytes_load_le32(data + STATEMENT_AT - 4);
	if (len > size - STATEMENT_AT)
		len = (uint32_t)(size - STATEMENT_AT);
	bool parsed = receipt_statement_parse(SPAN(data + STATEMENT_AT, len), &statement, &of_statement);
	assert(parsed == (of_statement == NULL));
	assert(parsed || !ok);
	return 0;
}
