/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest agent answers: any bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *text = strndup((const char *)data, size);
	AUTO(json_freep) struct json *json = json_parse(text, "input", &err);
	assert((json == NULL) == (err != NULL));
	if (!json)
		return 0;
	(void)json_get_number(json_get(json, "return"), "id", 0);
	(void)json_at(json_get(json, "return"), json_length(json_get(json, "return")));
	AUTO(freep) char *again = json_to_text(json);
	AUTO(json_freep) struct json *reread = json_parse(again, "output", &err);
	assert(reread);
	return 0;
}
