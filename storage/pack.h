/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of a pack, see docs/format.md, Packs. What pack_write.h makes and pack_read.h reads. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/dek.h"
#include "storage/ids.h"

#define PACK_HEAD_SIZE 64
#define PACK_TAIL_SIZE 64
#define PACK_ENTRY_SIZE 48
#define PACK_TARGET_SIZE (32u << 20)
#define PACK_TARGET_ENTRIES 16384u
#define PACK_MAX_ENTRIES 65535u
#define PACK_MAX_SIZE (64u << 20)
#define PACK_TAIL_READ (128u << 10) /* a suffix that usually holds footer, keyslots and tail */

struct pack_entry {
	struct chunk_id id;
	uint32_t offset, sealed_len, plain_len;
	uint8_t codec, keyslot;
};

/* The parts behind the bodies, decrypted and checked against the head. */
struct pack_footer {
	struct session_id session;
	uint32_t seq;
	enum pack_class cls;
	uint32_t r;
	uint8_t salt[32];
	uint8_t *keyslots; /* n_keyslots · KEYSLOT_SIZE */
	size_t n_keyslots;
	struct pack_entry *entries;
	size_t n_entries;
};

/*
 * Pure parser for foreign bytes: tail has the last tail.len bytes of an object of `size`. Gives how many bytes from the
 * end are needed in all; when that is no more than tail.len, pack_footer_open() can be called with the same span.
 * ERR_CORRUPT.
 */
NODISCARD bool pack_footer_extent(struct span tail, uint64_t size, uint64_t *ret_needed, struct err **errp);
/*
 * Authenticates and parses. head is the first PACK_HEAD_SIZE bytes. Names what the object's name says; entries lie
 * inside the bodies.
 */
NODISCARD bool pack_footer_open(const struct repository *repository, enum pack_class cls,
				const struct session_id *session, uint32_t seq, struct span head, struct span tail,
				uint64_t size, struct pack_footer *ret, struct err **errp);
/* Both reads (tail, and head) from a backend. */
NODISCARD bool pack_footer_fetch(const struct repository *repository, enum pack_class cls,
				 const struct session_id *session, uint32_t seq, struct pack_footer *ret,
				 struct err **errp);
void pack_footer_release(struct pack_footer *footer);
/* Parser of plaintext, for fuzzing, and what it reverses. The footer comes with room for n_entries entries. */
NODISCARD bool pack_entries_parse(struct span plain, uint64_t bodies_end, struct pack_footer *footer,
				  struct err **errp);
void pack_entry_encode(const struct pack_entry *entry, uint8_t ret[PACK_ENTRY_SIZE]);
