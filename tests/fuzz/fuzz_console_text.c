/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest may say on its serial console. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "restore/console_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(bytes_release) struct bytes text;
	bytes_init(&text, 3 * size + 1);
	console_text_append(SPAN(data, size), &text);
	assert(bytes_ok(&text) && utf8_is_text(bytes_span(&text)));
	for (size_t i = 0; i < text.len; i++)
		assert(text.data[i] >= 0x20 || text.data[i] == '\n' || text.data[i] == '\t');
	return 0;
}
