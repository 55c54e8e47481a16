/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The primitives, on OpenSSL 3: SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 2104), HKDF-SHA256 (RFC 5869), AES-256-GCM
 * (SP 800-38D), Ed25519 (RFC 8032), X25519 (RFC 7748), scrypt (RFC 7914). Contexts are kept per thread, so every
 * function is thread-safe and cheap to call for 64 KiB. They fail for lack of memory or as stated.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct err;

#define KEY_SIZE 32
#define HASH_SIZE 32
#define NONCE_SIZE 12
#define TAG_SIZE 16
#define SIGNATURE_SIZE 64
#define PUBLIC_SIZE 32
#define CRYPTO_SCRYPT_MAX_MEMORY (UINT64_C(1) << 30)

/* Over the parts one behind the other. */
NODISCARD bool crypto_sha256(const struct span *parts, size_t n, uint8_t ret[HASH_SIZE], struct err **errp);
NODISCARD bool crypto_hmac(const uint8_t key[KEY_SIZE], const struct span *parts, size_t n, uint8_t ret[HASH_SIZE],
			   struct err **errp);
/* The same with a key of any length but zero. */
NODISCARD bool crypto_hmac_any(struct span key, const struct span *parts, size_t n, uint8_t ret[HASH_SIZE],
			       struct err **errp);
/* ret_len at most 255·32. */
NODISCARD bool crypto_hkdf(struct span secret, struct span salt, struct span info, uint8_t *ret, size_t ret_len,
			   struct err **errp);
/* Writes plain.len + TAG_SIZE bytes; ret may be plain.data. */
NODISCARD bool crypto_seal(const uint8_t key[KEY_SIZE], const uint8_t nonce[NONCE_SIZE], struct span aad,
			   struct span plain, uint8_t *ret, struct err **errp);
/* sealed has its tag; writes sealed.len - TAG_SIZE bytes, zeroed again when the tag is wrong: ERR_CORRUPT. */
NODISCARD bool crypto_open(const uint8_t key[KEY_SIZE], const uint8_t nonce[NONCE_SIZE], struct span aad,
			   struct span sealed, uint8_t *ret, struct err **errp);
NODISCARD bool crypto_sign_public(const uint8_t seed[KEY_SIZE], uint8_t ret[PUBLIC_SIZE], struct err **errp);
NODISCARD bool crypto_sign(const uint8_t seed[KEY_SIZE], struct span message, uint8_t ret[SIGNATURE_SIZE],
			   struct err **errp);
/* ERR_CORRUPT when the signature does not hold. */
NODISCARD bool crypto_verify(const uint8_t public_key[PUBLIC_SIZE], struct span message,
			     const uint8_t signature[SIGNATURE_SIZE], struct err **errp);
NODISCARD bool crypto_x25519_public(const uint8_t secret[KEY_SIZE], uint8_t ret[PUBLIC_SIZE], struct err **errp);
/* ERR_CORRUPT for a public key of low order (all-zero result). */
NODISCARD bool crypto_x25519(const uint8_t secret[KEY_SIZE], const uint8_t public_key[PUBLIC_SIZE],
			     uint8_t ret[KEY_SIZE], struct err **errp);
/*
 * Blocks for about half a second with the usual N = 2^17, r = 8, p = 1. ERR_CORRUPT for numbers that scrypt cannot work
 * with, ERR_UNSUPPORTED for more than 1 GiB of memory.
 */
NODISCARD bool crypto_scrypt(struct span passphrase, struct span salt, uint64_t n, uint32_t r, uint32_t p, uint8_t *ret,
			     size_t ret_len, struct err **errp);
NODISCARD bool crypto_random(void *ret, size_t len, struct err **errp);
void crypto_wipe(void *secret, size_t len);
