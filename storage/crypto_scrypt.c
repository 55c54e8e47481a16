/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"
#include "storage/crypto_internal.h"

enum { SCRYPT_BLOCK = 128 };

/* Bounds before any work: the numbers may come from a slot that somebody else wrote. */
static bool check_cost(uint64_t n, uint32_t r, uint32_t p, struct err **errp)
{
	uint64_t table, lanes;
	if (n < 2 || (n & (n - 1)) != 0 || r == 0 || p == 0)
		return err_set(errp, ERR_CORRUPT, "scrypt cannot work with these numbers");
	if (__builtin_mul_overflow(n, (uint64_t)r * SCRYPT_BLOCK, &table) || table > CRYPTO_SCRYPT_MAX_MEMORY ||
	    __builtin_mul_overflow((uint64_t)p, (uint64_t)r * SCRYPT_BLOCK, &lanes) || lanes > CRYPTO_SCRYPT_MAX_MEMORY)
		return err_set(errp, ERR_UNSUPPORTED, "scrypt would need more than 1 GiB of memory");
	return true;
}

bool crypto_scrypt(struct span passphrase, struct span salt, uint64_t n, uint32_t r, uint32_t p, uint8_t *ret,
		   size_t ret_len, struct err **errp)
{
	if (!check_cost(n, r, p, errp))
		return false;
	const char *text = passphrase.len > 0 ? passphrase.data : "";
	const uint64_t max_memory = 3 * CRYPTO_SCRYPT_MAX_MEMORY; /* table, lanes and a little, as checked above */
	return EVP_PBE_scrypt(text, passphrase.len, salt.data, salt.len, n, r, p, max_memory, ret, ret_len) == 1 ||
	       err_from_openssl(errp, "scrypt");
}
