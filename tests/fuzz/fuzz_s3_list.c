/* SPDX-License-Identifier: Apache-2.0 */
/* A page of a list of objects or of versions, and what a bucket says of its versions. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/s3/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_page(struct span xml, bool versions)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(s3_page_release) struct s3_page page = {0};
	bool ok = s3_page_parse(xml, versions, &page, &err);
	assert(ok == (err == NULL));
	for (size_t i = 0; i < page.n; i++)
		assert(page.entries[i].key && (page.entries[i].version != NULL) == versions);
	assert(!page.truncated || (versions ? page.next_key : page.token));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	enum s3_versioning state;
	check_page(SPAN(data, size), false);
	check_page(SPAN(data, size), true);
	bool ok = s3_versioning_parse(SPAN(data, size), &state, &err);
	assert(ok == (err == NULL));
	return 0;
}
