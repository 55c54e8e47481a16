/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

bool identity_id8(const uint8_t sign_public[PUBLIC_SIZE], const uint8_t seal_public[PUBLIC_SIZE],
		  uint8_t ret[WRITER_SIZE], struct err **errp)
{
	const struct span parts[] = {SPAN(sign_public, PUBLIC_SIZE), SPAN(seal_public, PUBLIC_SIZE)};
	uint8_t hash[HASH_SIZE];
	if (!crypto_sha256(parts, ARRAY_LENGTH(parts), hash, errp))
		return false;
	memcpy(ret, hash, WRITER_SIZE);
	return true;
}

bool identity_from_secret(const uint8_t secret[KEY_SIZE], struct identity *ret, struct err **errp)
{
	const struct span from = SPAN(secret, KEY_SIZE);
	memcpy(ret->secret, secret, KEY_SIZE);
	bool done = crypto_hkdf(from, SPAN_NONE, SPAN_TEXT("salvor sign"), ret->sign_seed, KEY_SIZE, errp) &&
		    crypto_hkdf(from, SPAN_NONE, SPAN_TEXT("salvor seal"), ret->seal_secret, KEY_SIZE, errp) &&
		    crypto_sign_public(ret->sign_seed, ret->sign_public, errp) &&
		    crypto_x25519_public(ret->seal_secret, ret->seal_public, errp) &&
		    identity_id8(ret->sign_public, ret->seal_public, ret->id8, errp);
	if (!done)
		identity_wipe(ret);
	return done;
}

void identity_wipe(struct identity *identity)
{
	crypto_wipe(identity, sizeof(*identity));
}
