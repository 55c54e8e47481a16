/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that requests are signed with, from the places where Amazon's tools look, the first that has them:
 *
 *   1. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
 *   2. the profile that AWS_PROFILE names, or the default one
 *   3. AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI
 *   4. the metadata service of the instance, version 2, where one answers at once; not with
 * AWS_EC2_METADATA_DISABLED=true
 *
 * What expires is fetched again before it does.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;
struct s3_http;
struct s3_wallet;

struct s3_credentials {
	char *access_key, *secret, *token; /* token: NULL for keys that last */
	uint64_t expires_ns;		   /* 0: never */
};

void s3_credentials_release(struct s3_credentials *credentials);

/* Looks for them. ERR_DENIED when there are none anywhere; http is borrowed until the end. */
NODISCARD struct s3_wallet *s3_wallet_new(struct s3_http *http, struct err **errp);
void s3_wallet_free(struct s3_wallet *wallet);
DEFINE_AUTO_FREE(struct s3_wallet, s3_wallet_free);
/* A copy of those that count now. Thread-safe; may block on the network. */
NODISCARD bool s3_wallet_get(struct s3_wallet *wallet, struct s3_credentials *ret, struct err **errp);
/* These were called expired: looks again, and says whether there are others now. */
bool s3_wallet_renew(struct s3_wallet *wallet, const struct s3_credentials *expired);
