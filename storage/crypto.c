/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Algorithms are fetched once and live as long as the process: OpenSSL's own exit handler takes the library down, so
 * they are never given back. Contexts belong to their thread and end with it.
 */
#include "storage/crypto.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "storage/crypto_internal.h"

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static struct crypto_algorithms algorithms;
static pthread_key_t contexts_key;
static bool fetched;

bool err_from_openssl(struct err **errp, const char *what)
{
	unsigned long error = ERR_peek_last_error();
	const char *reason = error ? ERR_reason_error_string(error) : NULL;
	bool no_memory = ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
	ERR_clear_error();
	if (no_memory)
		return err_set_no_memory(errp);
	return err_set(errp, ERR_FAILED, "%s: OpenSSL: %s", what, reason ? reason : "failed without a reason");
}

static void contexts_free(void *arg)
{
	struct crypto_contexts *contexts = arg;
	if (!contexts)
		return;
	EVP_MD_CTX_free(contexts->sha256);
	EVP_MAC_CTX_free(contexts->hmac);
	EVP_CIPHER_CTX_free(contexts->gcm);
	free(contexts);
}

static void fetch(void)
{
	algorithms.sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	algorithms.hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	algorithms.gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	fetched = algorithms.sha256 && algorithms.hmac && algorithms.gcm &&
		  pthread_key_create(&contexts_key, contexts_free) == 0;
}

/* Binds each context to its algorithm. The HMAC needs some key for that; each call brings its own. */
static bool contexts_bind(struct crypto_contexts *contexts)
{
	static const uint8_t no_key[KEY_SIZE];
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
				     OSSL_PARAM_construct_end()};
	return contexts->sha256 && contexts->hmac && contexts->gcm && crypto_sha256_init(contexts->sha256) &&
	       EVP_MAC_init(contexts->hmac, no_key, sizeof(no_key), params) == 1 &&
	       EVP_EncryptInit_ex2(contexts->gcm, algorithms.gcm, NULL, NULL, NULL) == 1;
}

static struct crypto_contexts *contexts_new(struct err **errp)
{
	struct crypto_contexts *contexts = calloc(1, sizeof(*contexts));
	if (!contexts) {
		err_set_no_memory(errp);
		return NULL;
	}
	contexts->sha256 = EVP_MD_CTX_new();
	contexts->hmac = EVP_MAC_CTX_new(algorithms.hmac);
	contexts->gcm = EVP_CIPHER_CTX_new();
	if (!contexts_bind(contexts) || pthread_setspecific(contexts_key, contexts) != 0) {
		err_from_openssl(errp, "make contexts");
		contexts_free(contexts);
		return NULL;
	}
	return contexts;
}

struct crypto_contexts *crypto_contexts(struct err **errp)
{
	pthread_once(&fetch_once, fetch);
	if (!fetched) {
		err_set(errp, ERR_UNSUPPORTED, "this OpenSSL does not offer SHA-256, HMAC and AES-256-GCM");
		return NULL;
	}
	struct crypto_contexts *contexts = pthread_getspecific(contexts_key);
	return contexts ? contexts : contexts_new(errp);
}

bool crypto_sha256_init(EVP_MD_CTX *ctx)
{
	return EVP_DigestInit_ex2(ctx, algorithms.sha256, NULL) == 1;
}

bool crypto_random(void *ret, size_t len, struct err **errp)
{
	return RAND_priv_bytes_ex(NULL, ret, len, 0) == 1 || err_from_openssl(errp, "random bytes");
}

void crypto_wipe(void *secret, size_t len)
{
	OPENSSL_cleanse(secret, len);
}
