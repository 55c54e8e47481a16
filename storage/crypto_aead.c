/* SPDX-License-Identifier: Apache-2.0 */
/* AES-256-GCM. The context keeps its cipher; each message brings key and nonce, which costs less than a microsecond. */
#include <assert.h>
#include <limits.h>

#include "base/err.h"
#include "storage/crypto_internal.h"

/* OpenSSL counts in int. Nothing sealed here comes near. */
static bool lengths_fit(struct span aad, struct span text)
{
	return aad.len <= INT_MAX && text.len <= INT_MAX;
}

static bool encrypt(EVP_CIPHER_CTX *gcm, struct span aad, struct span plain, uint8_t *ret)
{
	int len;
	if (aad.len > 0 && EVP_EncryptUpdate(gcm, NULL, &len, aad.data, (int)aad.len) != 1)
		return false;
	if (plain.len > 0 && EVP_EncryptUpdate(gcm, ret, &len, plain.data, (int)plain.len) != 1)
		return false;
	uint8_t *tag = ret + plain.len;
	return EVP_EncryptFinal_ex(gcm, tag, &len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag) == 1;
}

bool crypto_seal(const uint8_t key[KEY_SIZE], const uint8_t nonce[NONCE_SIZE], struct span aad, struct span plain,
		 uint8_t *ret, struct err **errp)
{
	assert(lengths_fit(aad, plain));
	struct crypto_contexts *contexts = crypto_contexts(errp);
	if (!contexts)
		return false;
	if (EVP_EncryptInit_ex2(contexts->gcm, NULL, key, nonce, NULL) != 1 || !encrypt(contexts->gcm, aad, plain, ret))
		return err_from_openssl(errp, "seal");
	return true;
}

static bool decrypt(EVP_CIPHER_CTX *gcm, struct span aad, struct span body, uint8_t *ret)
{
	int len;
	if (aad.len > 0 && EVP_DecryptUpdate(gcm, NULL, &len, aad.data, (int)aad.len) != 1)
		return false;
	return body.len == 0 || EVP_DecryptUpdate(gcm, ret, &len, body.data, (int)body.len) == 1;
}

static bool tag_holds(EVP_CIPHER_CTX *gcm, uint8_t tag[TAG_SIZE])
{
	uint8_t none[TAG_SIZE];
	int len;
	return EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, tag) == 1 &&
	       EVP_DecryptFinal_ex(gcm, none, &len) == 1;
}

bool crypto_open(const uint8_t key[KEY_SIZE], const uint8_t nonce[NONCE_SIZE], struct span aad, struct span sealed,
		 uint8_t *ret, struct err **errp)
{
	assert(lengths_fit(aad, sealed));
	if (sealed.len < TAG_SIZE)
		return err_set(errp, ERR_CORRUPT, "sealed bytes are too short");
	struct crypto_contexts *contexts = crypto_contexts(errp);
	if (!contexts)
		return false;
	struct span body = SPAN(sealed.data, sealed.len - TAG_SIZE);
	uint8_t tag[TAG_SIZE];
	for (size_t i = 0; i < TAG_SIZE; i++)
		tag[i] = ((const uint8_t *)sealed.data)[body.len + i];
	if (EVP_DecryptInit_ex2(contexts->gcm, NULL, key, nonce, NULL) != 1 || !decrypt(contexts->gcm, aad, body, ret))
		return err_from_openssl(errp, "open sealed bytes");
	if (tag_holds(contexts->gcm, tag))
		return true;
	crypto_wipe(ret, body.len);
	return err_set(errp, ERR_CORRUPT, "sealed bytes are not authentic");
}
