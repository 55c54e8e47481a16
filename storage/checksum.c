/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/checksum.h"

#include <string.h>

#include "base/err.h"
#include "storage/crypto.h"

bool checksum_append(struct bytes *file, struct err **errp)
{
	uint8_t sum[HASH_SIZE];
	const struct span body = bytes_span(file);

	if (!bytes_ok(file))
		return err_set_no_memory(errp);
	if (!crypto_sha256(&body, 1, sum, errp))
		return false;
	bytes_put(file, sum, sizeof(sum));
	return bytes_ok(file) || err_set_no_memory(errp);
}

bool checksum_split(struct span file, struct span *ret_body, bool *ret_holds, struct err **errp)
{
	uint8_t sum[HASH_SIZE];

	*ret_holds = false;
	*ret_body = SPAN_NONE;
	if (file.len < sizeof(sum))
		return true;
	const struct span body = SPAN(file.data, file.len - sizeof(sum));
	if (!crypto_sha256(&body, 1, sum, errp))
		return false;
	*ret_holds = memcmp(sum, (const uint8_t *)file.data + body.len, sizeof(sum)) == 0;
	*ret_body = body;
	return true;
}
