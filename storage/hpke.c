/* SPDX-License-Identifier: Apache-2.0 */
/* Names of steps and labels are those of RFC 9180. Every expansion here is at most one HMAC long. */
#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "storage/hpke_internal.h"

enum { SUITE_MAX = 10 };

struct suite {
	uint8_t id[SUITE_MAX];
	size_t len;
};

/* KEM 0x0020 X25519; KDF 0x0001 HKDF-SHA256; AEAD 0x0002 AES-256-GCM. */
static const struct suite kem = {{'K', 'E', 'M', 0x00, 0x20}, 5};
static const struct suite hpke = {{'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, 0x00, 0x02}, 10};
static const uint8_t no_salt[HASH_SIZE];

static bool labeled_extract(const struct suite *suite, const uint8_t salt[HASH_SIZE], struct span label,
			    struct span ikm, uint8_t ret[HASH_SIZE], struct err **errp)
{
	const struct span parts[] = {SPAN_TEXT("HPKE-v1"), SPAN(suite->id, suite->len), label, ikm};
	return crypto_hmac(salt, parts, ARRAY_LENGTH(parts), ret, errp);
}

static bool labeled_expand(const struct suite *suite, const uint8_t prk[HASH_SIZE], struct span label, struct span info,
			   uint8_t *ret, uint8_t ret_len, struct err **errp)
{
	assert(ret_len <= HASH_SIZE);
	static const uint8_t first = 1;
	const uint8_t length[] = {0, ret_len};
	const struct span parts[] = {SPAN_OF(length), SPAN_TEXT("HPKE-v1"), SPAN(suite->id, suite->len), label, info,
				     SPAN(&first, 1)};
	uint8_t block[HASH_SIZE];
	if (!crypto_hmac(prk, parts, ARRAY_LENGTH(parts), block, errp))
		return false;
	memcpy(ret, block, ret_len);
	crypto_wipe(block, sizeof(block));
	return true;
}

bool hpke_derive_key_pair(struct span ikm, uint8_t ret_secret[KEY_SIZE], uint8_t ret_public[PUBLIC_SIZE],
			  struct err **errp)
{
	uint8_t prk[HASH_SIZE];
	bool done = labeled_extract(&kem, no_salt, SPAN_TEXT("dkp_prk"), ikm, prk, errp) &&
		    labeled_expand(&kem, prk, SPAN_TEXT("sk"), SPAN_NONE, ret_secret, KEY_SIZE, errp) &&
		    crypto_x25519_public(ret_secret, ret_public, errp);
	crypto_wipe(prk, sizeof(prk));
	return done;
}

/* ExtractAndExpand(dh, enc ‖ pkR). */
static bool shared_secret(const uint8_t dh[KEY_SIZE], const uint8_t enc[HPKE_ENC_SIZE],
			  const uint8_t recipient[PUBLIC_SIZE], uint8_t ret[HASH_SIZE], struct err **errp)
{
	uint8_t prk[HASH_SIZE], kem_context[HPKE_ENC_SIZE + PUBLIC_SIZE];
	memcpy(kem_context, enc, HPKE_ENC_SIZE);
	memcpy(kem_context + HPKE_ENC_SIZE, recipient, PUBLIC_SIZE);
	bool done = labeled_extract(&kem, no_salt, SPAN_TEXT("eae_prk"), SPAN(dh, KEY_SIZE), prk, errp) &&
		    labeled_expand(&kem, prk, SPAN_TEXT("shared_secret"), SPAN_OF(kem_context), ret, HASH_SIZE, errp);
	crypto_wipe(prk, sizeof(prk));
	return done;
}

/* KeySchedule(mode_base, shared, info, "", ""). */
static bool key_schedule(const uint8_t shared[HASH_SIZE], struct span info, struct hpke_context *ret, struct err **errp)
{
	uint8_t secret[HASH_SIZE], context[1 + 2 * HASH_SIZE] = {0}; /* mode base is 0 */
	bool done =
		labeled_extract(&hpke, no_salt, SPAN_TEXT("psk_id_hash"), SPAN_NONE, context + 1, errp) &&
		labeled_extract(&hpke, no_salt, SPAN_TEXT("info_hash"), info, context + 1 + HASH_SIZE, errp) &&
		labeled_extract(&hpke, shared, SPAN_TEXT("secret"), SPAN_NONE, secret, errp) &&
		labeled_expand(&hpke, secret, SPAN_TEXT("key"), SPAN_OF(context), ret->key, KEY_SIZE, errp) &&
		labeled_expand(&hpke, secret, SPAN_TEXT("base_nonce"), SPAN_OF(context), ret->nonce, NONCE_SIZE, errp);
	crypto_wipe(secret, sizeof(secret));
	return done;
}

bool hpke_schedule(const uint8_t own[KEY_SIZE], const uint8_t peer[PUBLIC_SIZE], const uint8_t enc[HPKE_ENC_SIZE],
		   const uint8_t recipient[PUBLIC_SIZE], struct span info, struct hpke_context *ret, struct err **errp)
{
	uint8_t dh[KEY_SIZE], shared[HASH_SIZE];
	bool done = crypto_x25519(own, peer, dh, errp) && shared_secret(dh, enc, recipient, shared, errp) &&
		    key_schedule(shared, info, ret, errp);
	crypto_wipe(dh, sizeof(dh));
	crypto_wipe(shared, sizeof(shared));
	return done;
}

bool hpke_seal(const uint8_t recipient[PUBLIC_SIZE], const uint8_t ephemeral[KEY_SIZE], struct span info,
	       struct span aad, const uint8_t plain[KEY_SIZE], uint8_t ret_enc[HPKE_ENC_SIZE],
	       uint8_t ret_sealed[HPKE_SEALED_SIZE], struct err **errp)
{
	uint8_t secret[KEY_SIZE];
	struct hpke_context context;
	bool done = hpke_derive_key_pair(SPAN(ephemeral, KEY_SIZE), secret, ret_enc, errp) &&
		    hpke_schedule(secret, recipient, ret_enc, recipient, info, &context, errp) &&
		    crypto_seal(context.key, context.nonce, aad, SPAN(plain, KEY_SIZE), ret_sealed, errp);
	crypto_wipe(secret, sizeof(secret));
	crypto_wipe(&context, sizeof(context));
	return done;
}

bool hpke_open(const uint8_t secret[KEY_SIZE], const uint8_t enc[HPKE_ENC_SIZE], struct span info, struct span aad,
	       const uint8_t sealed[HPKE_SEALED_SIZE], uint8_t ret_plain[KEY_SIZE], struct err **errp)
{
	uint8_t recipient[PUBLIC_SIZE];
	struct hpke_context context;
	bool done = crypto_x25519_public(secret, recipient, errp) &&
		    hpke_schedule(secret, enc, enc, recipient, info, &context, errp) &&
		    crypto_open(context.key, context.nonce, aad, SPAN(sealed, HPKE_SEALED_SIZE), ret_plain, errp);
	crypto_wipe(&context, sizeof(context));
	return done;
}
