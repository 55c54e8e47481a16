/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One chunk on its way: its id, its compressed form, its sealed form, and back. Thread-safe; contexts are kept per
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/crypto.h"
#include "storage/ids.h"
#include "storage/repository.h"

#define CHUNK_EXPONENT_MIN 12
#define CHUNK_EXPONENT_MAX 20
#define CHUNK_EXPONENT_DISK 16
#define CHUNK_MAX (1u << CHUNK_EXPONENT_MAX)

enum chunk_codec { CODEC_RAW = 0, CODEC_ZSTD = 1 };

/* HMAC(K_id, 0x00 ‖ plaintext). */
NODISCARD bool chunk_identify(const struct metadata_keys *keys, struct span plain, struct chunk_id *ret,
			      struct err **errp);
/*
 * Compresses into ret (room for plain.len bytes). Gives CODEC_ZSTD and the frame's length where that saves at least
 * 1/16, else CODEC_RAW and the plain length, and then ret holds nothing of use: store the plain bytes.
 */
NODISCARD bool chunk_compress(struct span plain, uint8_t *ret, enum chunk_codec *ret_codec, size_t *ret_len,
			      struct err **errp);
/* Seals stored bytes under the pack's data key; writes stored.len + TAG_SIZE bytes to ret. */
NODISCARD bool chunk_seal(const uint8_t dek[KEY_SIZE], const uint8_t domain[DOMAIN_SIZE], const struct chunk_id *id,
			  uint32_t plain_len, enum chunk_codec codec, struct span stored, uint8_t *ret,
			  struct err **errp);
/*
 * The way back: opens (in scratch of at least sealed.len bytes), decompresses to exactly plain_len bytes. Does not
 * check the id. ERR_CORRUPT.
 */
NODISCARD bool chunk_unseal(const uint8_t dek[KEY_SIZE], const uint8_t domain[DOMAIN_SIZE], const struct chunk_id *id,
			    uint32_t plain_len, uint8_t codec, struct span sealed, uint8_t *scratch, void *ret_plain,
			    struct err **errp);
