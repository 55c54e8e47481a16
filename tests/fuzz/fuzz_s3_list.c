/* SPDX-License-Identifier: Apache-2.0 */
/* A page of a list of objects or of versions, and what a bucket says of its versions. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/s3/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(err_freep) struct err *other = NULL;
	AUTO(s3_page_release) struct s3_page page = {0};
	enum s3_versioning state;
	bool ok = s3_page_parse(SPAN(data, size), &page, &err);
	assert(ok == (err == NULL));
	for (size_t i = 0; i < page.n; i++)
		assert(page.entries[i].key && (page.entries[i].version || !page.entries[i].marker));
	assert(!page.truncated || page.token || page.next_key);
	ok = s3_versioning_parse(SPAN(data, size), &state, &other);
	assert(ok == (other == NULL));
	return 0;
}
