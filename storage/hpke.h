/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealing 32 bytes to a public key: RFC 9180, mode base, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, one
 * message a context (sequence number 0).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/crypto.h"

#define HPKE_ENC_SIZE 32
#define HPKE_SEALED_SIZE 48

/* `ephemeral` is the input keying material of DeriveKeyPair; it must never be used for two messages. */
NODISCARD bool hpke_seal(const uint8_t recipient[PUBLIC_SIZE], const uint8_t ephemeral[KEY_SIZE], struct span info,
			 struct span aad, const uint8_t plain[KEY_SIZE], uint8_t ret_enc[HPKE_ENC_SIZE],
			 uint8_t ret_sealed[HPKE_SEALED_SIZE], struct err **errp);
/* ERR_CORRUPT when it was not sealed to this key with this info and aad. */
NODISCARD bool hpke_open(const uint8_t secret[KEY_SIZE], const uint8_t enc[HPKE_ENC_SIZE], struct span info,
			 struct span aad, const uint8_t sealed[HPKE_SEALED_SIZE], uint8_t ret_plain[KEY_SIZE],
			 struct err **errp);
