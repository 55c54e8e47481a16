/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of crypto share: algorithms fetched once for the process, and contexts kept for each thread. */
#pragma once

#include <openssl/evp.h>

#include "storage/crypto.h"

struct crypto_algorithms {
	EVP_MD *sha256;
	EVP_MAC *hmac;
	EVP_CIPHER *gcm;
};

/* One thread's contexts, each bound to its algorithm, so that a call only sets its key. */
struct crypto_contexts {
	EVP_MD_CTX *sha256;
	EVP_MAC_CTX *hmac;
	EVP_CIPHER_CTX *gcm;
};

/* Borrowed until the thread ends; NULL on failure. */
struct crypto_contexts *crypto_contexts(struct err **errp);
NODISCARD bool crypto_sha256_init(EVP_MD_CTX *ctx);

/* What OpenSSL has to say about the call that just failed. Empties its queue. Returns false. */
bool err_from_openssl(struct err **errp, const char *what);
