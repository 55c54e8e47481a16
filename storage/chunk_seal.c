/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing of stored bytes. Each message has a key of its own, made of the data key and of what the message is, so
 * that the nonce may be zero and the place in a pack is free. See docs/format.md, Sealing.
 */
#include <string.h>

#include "base/err.h"
#include "storage/chunk_internal.h"

static const uint8_t zero_nonce[NONCE_SIZE];

enum { AAD_SIZE = DOMAIN_SIZE + ID_SIZE + 4 + 1 };

static bool chunk_key(const uint8_t dek[KEY_SIZE], const struct chunk_id *id, uint8_t codec, size_t sealed_len,
		      uint8_t ret[KEY_SIZE], struct err **errp)
{
	uint8_t shape[5] = {codec};
	bytes_store_le32(&shape[1], (uint32_t)sealed_len);
	const struct span parts[] = {SPAN_TEXT("salvor chunk"), SPAN_OF(id->b), SPAN_OF(shape)};
	return crypto_hmac(dek, parts, ARRAY_LENGTH(parts), ret, errp);
}

static struct span chunk_aad(const uint8_t domain[DOMAIN_SIZE], const struct chunk_id *id, uint32_t plain_len,
			     uint8_t codec, uint8_t aad[AAD_SIZE])
{
	memcpy(aad, domain, DOMAIN_SIZE);
	memcpy(aad + DOMAIN_SIZE, id->b, ID_SIZE);
	bytes_store_le32(aad + DOMAIN_SIZE + ID_SIZE, plain_len);
	aad[AAD_SIZE - 1] = codec;
	return SPAN(aad, AAD_SIZE);
}

bool chunk_seal(const uint8_t dek[KEY_SIZE], const uint8_t domain[DOMAIN_SIZE], const struct chunk_id *id,
		uint32_t plain_len, enum chunk_codec codec, struct span stored, uint8_t *ret, struct err **errp)
{
	uint8_t key[KEY_SIZE], aad[AAD_SIZE];
	bool ok =
		chunk_key(dek, id, (uint8_t)codec, stored.len + TAG_SIZE, key, errp) &&
		crypto_seal(key, zero_nonce, chunk_aad(domain, id, plain_len, (uint8_t)codec, aad), stored, ret, errp);
	crypto_wipe(key, sizeof(key));
	return ok;
}

static bool chunk_open(const uint8_t dek[KEY_SIZE], const uint8_t domain[DOMAIN_SIZE], const struct chunk_id *id,
		       uint32_t plain_len, uint8_t codec, struct span sealed, uint8_t *ret, struct err **errp)
{
	uint8_t key[KEY_SIZE], aad[AAD_SIZE];
	bool ok = chunk_key(dek, id, codec, sealed.len, key, errp) &&
		  crypto_open(key, zero_nonce, chunk_aad(domain, id, plain_len, codec, aad), sealed, ret, errp);
	crypto_wipe(key, sizeof(key));
	return ok;
}

bool chunk_unseal(const uint8_t dek[KEY_SIZE], const uint8_t domain[DOMAIN_SIZE], const struct chunk_id *id,
		  uint32_t plain_len, uint8_t codec, struct span sealed, uint8_t *scratch, void *ret_plain,
		  struct err **errp)
{
	if (sealed.len < TAG_SIZE || plain_len > CHUNK_MAX)
		return err_set(errp, ERR_CORRUPT, "%zu sealed bytes cannot hold %u", sealed.len, plain_len);
	size_t stored_len = sealed.len - TAG_SIZE;
	if (codec == CODEC_RAW && stored_len == plain_len)
		return chunk_open(dek, domain, id, plain_len, codec, sealed, ret_plain, errp);
	if (codec != CODEC_ZSTD)
		return err_set(errp, ERR_CORRUPT, "codec %u with %zu bytes for %u", codec, stored_len, plain_len);
	return chunk_open(dek, domain, id, plain_len, codec, sealed, scratch, errp) &&
	       chunk_decompress(SPAN(scratch, stored_len), ret_plain, plain_len, errp);
}
