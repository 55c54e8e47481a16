/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data keys. A pack of chunks has a random one (DEK), sealed once to the public key of the newest content epoch, so
 * that a writer cannot read what it wrote. A pack of nodes derives its own from K_meta. See docs/format.md, Packs.
 */
#pragma once

#include "storage/repository.h"

#define KEYSLOT_SIZE 112

/* A new DEK for the chunk pack (session, seq), and its keyslot. The caller wipes the key after the pack. */
NODISCARD bool dek_make(const struct repository *repository, const struct session_id *session, uint32_t seq,
			uint8_t ret_dek[KEY_SIZE], uint8_t ret_keyslot[KEYSLOT_SIZE], struct err **errp);
/* ERR_DENIED without role read; ERR_CORRUPT when the slot does not open. */
NODISCARD bool dek_open(const struct repository *repository, const uint8_t keyslot[KEYSLOT_SIZE],
			uint8_t ret_dek[KEY_SIZE], struct err **errp);
/* The data key of a node pack, and the footer key of any pack. */
NODISCARD bool dek_meta(const struct metadata_keys *keys, const uint8_t salt[32], const struct session_id *session,
			uint32_t seq, uint8_t ret[KEY_SIZE], struct err **errp);
NODISCARD bool dek_footer(const struct metadata_keys *keys, const uint8_t salt[32], const struct session_id *session,
			  uint32_t seq, uint8_t ret[KEY_SIZE], struct err **errp);
/* nonce12 of a nonce-carrying message: HMAC(K_nonce, label ‖ u64 len AAD ‖ AAD ‖ plaintext), first 12 bytes. */
NODISCARD bool dek_nonce(const struct metadata_keys *keys, struct span label, struct span aad, struct span plain,
			 uint8_t ret[NONCE_SIZE], struct err **errp);
