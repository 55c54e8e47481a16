/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, and what is made of it: HMAC and HKDF. */
#include <assert.h>
#include <string.h>

#include "storage/crypto_internal.h"

bool crypto_sha256(const struct span *parts, size_t n, uint8_t ret[HASH_SIZE], struct err **errp)
{
	struct crypto_contexts *contexts = crypto_contexts(errp);
	if (!contexts)
		return false;
	bool done = crypto_sha256_init(contexts->sha256);
	for (size_t i = 0; done && i < n; i++)
		done = EVP_DigestUpdate(contexts->sha256, parts[i].data, parts[i].len) == 1;
	done = done && EVP_DigestFinal_ex(contexts->sha256, ret, NULL) == 1;
	return done || err_from_openssl(errp, "SHA-256");
}

bool crypto_hmac_any(struct span key, const struct span *parts, size_t n, uint8_t ret[HASH_SIZE], struct err **errp)
{
	struct crypto_contexts *contexts = crypto_contexts(errp);
	if (!contexts)
		return false;
	size_t len;
	bool done = EVP_MAC_init(contexts->hmac, key.data, key.len, NULL) == 1;
	for (size_t i = 0; done && i < n; i++)
		done = parts[i].len == 0 || EVP_MAC_update(contexts->hmac, parts[i].data, parts[i].len) == 1;
	done = done && EVP_MAC_final(contexts->hmac, ret, &len, HASH_SIZE) == 1;
	return done || err_from_openssl(errp, "HMAC");
}

bool crypto_hmac(const uint8_t key[KEY_SIZE], const struct span *parts, size_t n, uint8_t ret[HASH_SIZE],
		 struct err **errp)
{
	return crypto_hmac_any(SPAN(key, KEY_SIZE), parts, n, ret, errp);
}

/* RFC 5869, 2.3: T(i) = HMAC(prk, T(i-1) ‖ info ‖ i). */
static bool hkdf_expand(const uint8_t prk[HASH_SIZE], struct span info, uint8_t *ret, size_t ret_len, struct err **errp)
{
	uint8_t block[HASH_SIZE];
	bool done = true;
	for (size_t at = 0, i = 1; done && at < ret_len; at += HASH_SIZE, i++) {
		const uint8_t counter = (uint8_t)i;
		const struct span parts[] = {SPAN(block, i == 1 ? 0 : HASH_SIZE), info, SPAN(&counter, 1)};
		done = crypto_hmac(prk, parts, ARRAY_LENGTH(parts), block, errp);
		if (done)
			memcpy(ret + at, block, ret_len - at < HASH_SIZE ? ret_len - at : HASH_SIZE);
	}
	crypto_wipe(block, sizeof(block));
	return done;
}

bool crypto_hkdf(struct span secret, struct span salt, struct span info, uint8_t *ret, size_t ret_len,
		 struct err **errp)
{
	static const uint8_t no_salt[HASH_SIZE];
	assert(ret_len <= 255 * HASH_SIZE);
	uint8_t prk[HASH_SIZE];
	bool done = crypto_hmac_any(salt.len > 0 ? salt : SPAN_OF(no_salt), &secret, 1, prk, errp) &&
		    hkdf_expand(prk, info, ret, ret_len, errp);
	crypto_wipe(prk, sizeof(prk));
	return done;
}
