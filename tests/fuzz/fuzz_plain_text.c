/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile guest says on its console: any bytes, in two pieces. No control character gets through. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "restore/plain_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(void *arg, const char *line, bool whole)
{
	(void)arg;
	(void)whole;
	assert(strlen(line) <= PLAIN_LINE_MAX);
	for (; *line; line++)
		assert((unsigned char)*line >= ' ' && *line != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plain_text text = {0};
	size_t first = size / 2;
	plain_text_add(&text, (const char *)data, first, check, NULL);
	plain_text_add(&text, (const char *)data + first, size - first, check, NULL);
	return 0;
}
