/* SPDX-License-Identifier: Apache-2.0 */
/* A tree node: any bytes. What is accepted has exactly one spelling. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "storage/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	struct tree_node node;
	if (!tree_node_parse(SPAN(data, size), &node, &err)) {
		assert(err_code(err) == ERR_CORRUPT);
		return 0;
	}
	AUTO(bytes_release) struct bytes again = {0};
	bool encoded = tree_node_encode(&node, &again, &err);
	assert(encoded && again.len == size && memcmp(again.data, data, size) == 0);
	return 0;
}
