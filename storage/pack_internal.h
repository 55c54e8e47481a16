/* SPDX-License-Identifier: Apache-2.0 */
/* The encodings that the maker and the reader of packs share. See docs/format.md, Chunks and packs. */
#pragma once

#include "storage/pack.h"

#define PACK_KEYSLOTS_MAX 255u
#define PACK_SALT_SIZE 32

/* What the first bytes of this pack must be. */
void pack_head_encode(const struct repository *repository, const struct pack_footer *pack, uint8_t ret[PACK_HEAD_SIZE]);
void pack_tail_encode(const struct pack_footer *pack, const uint8_t nonce[NONCE_SIZE], uint8_t ret[PACK_TAIL_SIZE]);
/* Bytes of the footer with its tag. */
size_t pack_footer_len(size_t n_entries);
/* What the footer's tag covers besides the entries: head, keyslots, tail with a zero nonce. Caller releases. */
NODISCARD bool pack_footer_aad(const struct repository *repository, const struct pack_footer *pack, struct bytes *ret,
			       struct err **errp);
/* "pack p/…: " before the message, and the pack as what it is about. */
bool pack_err(struct err **errp, enum pack_class cls, const struct session_id *session, uint32_t seq);
