/* SPDX-License-Identifier: Apache-2.0 */
/* Ed25519 and X25519. Rare enough that keys are made for each call. */
#include <openssl/err.h>

#include "base/err.h"
#include "storage/crypto_internal.h"

static void pkey_freep(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
}

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static bool public_of(const char *type, const uint8_t secret[KEY_SIZE], uint8_t ret[PUBLIC_SIZE], struct err **errp)
{
	size_t len = PUBLIC_SIZE;
	AUTO(pkey_freep) EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, type, NULL, secret, KEY_SIZE);
	return (key && EVP_PKEY_get_raw_public_key(key, ret, &len) == 1) || err_from_openssl(errp, type);
}

bool crypto_sign_public(const uint8_t seed[KEY_SIZE], uint8_t ret[PUBLIC_SIZE], struct err **errp)
{
	return public_of("ED25519", seed, ret, errp);
}

bool crypto_sign(const uint8_t seed[KEY_SIZE], struct span message, uint8_t ret[SIGNATURE_SIZE], struct err **errp)
{
	size_t len = SIGNATURE_SIZE;
	AUTO(pkey_freep) EVP_PKEY *key = EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, seed, KEY_SIZE);
	AUTO(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	return (key && ctx && EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) == 1 &&
		EVP_DigestSign(ctx, ret, &len, message.data, message.len) == 1) ||
	       err_from_openssl(errp, "sign");
}

bool crypto_verify(const uint8_t public_key[PUBLIC_SIZE], struct span message, const uint8_t signature[SIGNATURE_SIZE],
		   struct err **errp)
{
	AUTO(pkey_freep) EVP_PKEY *key = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, public_key, PUBLIC_SIZE);
	AUTO(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	if (!key || !ctx || EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, key, NULL) != 1)
		return err_from_openssl(errp, "verify signature");
	if (EVP_DigestVerify(ctx, signature, SIGNATURE_SIZE, message.data, message.len) == 1)
		return true;
	ERR_clear_error();
	return err_set(errp, ERR_CORRUPT, "the signature does not hold");
}

bool crypto_x25519_public(const uint8_t secret[KEY_SIZE], uint8_t ret[PUBLIC_SIZE], struct err **errp)
{
	return public_of("X25519", secret, ret, errp);
}

bool crypto_x25519(const uint8_t secret[KEY_SIZE], const uint8_t public_key[PUBLIC_SIZE], uint8_t ret[KEY_SIZE],
		   struct err **errp)
{
	size_t len = KEY_SIZE;
	AUTO(pkey_freep) EVP_PKEY *own = EVP_PKEY_new_raw_private_key_ex(NULL, "X25519", NULL, secret, KEY_SIZE);
	AUTO(pkey_freep) EVP_PKEY *peer = EVP_PKEY_new_raw_public_key_ex(NULL, "X25519", NULL, public_key, PUBLIC_SIZE);
	AUTO(pkey_ctx_freep) EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL) : NULL;
	if (!peer || !ctx || EVP_PKEY_derive_init(ctx) != 1 || EVP_PKEY_derive_set_peer(ctx, peer) != 1)
		return err_from_openssl(errp, "X25519");
	/* With both keys well-formed, OpenSSL refuses one thing only: an all-zero result. */
	if (EVP_PKEY_derive(ctx, ret, &len) == 1)
		return true;
	ERR_clear_error();
	return err_set(errp, ERR_CORRUPT, "the public key is of low order");
}
