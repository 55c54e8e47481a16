/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of RFC 9180 one by one, so that published vectors, whose messages have other lengths, can be checked
 * against them. */
#pragma once

#include "storage/hpke.h"

struct hpke_context {
	uint8_t key[KEY_SIZE], nonce[NONCE_SIZE];
};

/* DeriveKeyPair(ikm) for X25519. */
NODISCARD bool hpke_derive_key_pair(struct span ikm, uint8_t ret_secret[KEY_SIZE], uint8_t ret_public[PUBLIC_SIZE],
				    struct err **errp);
/* What both sides compute: X25519(own, peer) through ExtractAndExpand and KeySchedule of mode base. */
NODISCARD bool hpke_schedule(const uint8_t own[KEY_SIZE], const uint8_t peer[PUBLIC_SIZE],
			     const uint8_t enc[HPKE_ENC_SIZE], const uint8_t recipient[PUBLIC_SIZE], struct span info,
			     struct hpke_context *ret, struct err **errp);
