/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/chunk.h"

#include "base/err.h"

/* What is put in front of the hashed bytes, so that a chunk is never taken for a node (1) or a stream root (2). */
static const uint8_t hash_prefix[1] = {0x00};

bool chunk_identify(const struct metadata_keys *keys, struct span plain, struct chunk_id *ret, struct err **errp)
{
	const struct span parts[] = {SPAN_OF(hash_prefix), plain};
	return crypto_hmac(keys->id, parts, ARRAY_LENGTH(parts), ret->b, errp);
}
