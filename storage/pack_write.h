/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pack being filled. Places are given out in the order of calls (reserve), so chunks lie in address order; the
 * sealing of reserved places may go on in many threads at once, straight into the pack's buffer.
 *   new → reserve* / seal* → finish → (bytes are borrowed) → free, or restart → reserve* …
 */
#pragma once

#include "storage/chunk.h"
#include "storage/pack.h"

struct pack_writer;

struct pack_place {
	uint16_t entry;
	uint32_t offset; /* of the sealed bytes in the pack */
};

/* Allocates the buffer (PACK_TARGET_SIZE and a footer's room). Makes the DEK and keyslot for chunks. */
NODISCARD struct pack_writer *pack_writer_new(const struct repository *repository, enum pack_class cls,
					      const struct session_id *session, uint32_t seq, struct err **errp);
/* Begins another pack of the same class in the memory of one that is done with; on failure it can only be freed. */
NODISCARD bool pack_writer_restart(struct pack_writer *pack, uint32_t seq, struct err **errp);
/* Wipes the data key. NULL is fine. */
void pack_writer_free(struct pack_writer *pack);
DEFINE_AUTO_FREE(struct pack_writer, pack_writer_free);

uint32_t pack_writer_seq(const struct pack_writer *pack);
size_t pack_writer_entries(const struct pack_writer *pack);
/* Id of an entry reserved before. */
const struct chunk_id *pack_writer_id(const struct pack_writer *pack, size_t entry);
/* Another entry of stored_len bytes (without tag) still fits under the targets. An empty pack takes any chunk. */
bool pack_writer_fits(const struct pack_writer *pack, size_t stored_len);
/* Calls of this one must not overlap with each other; they may overlap with seal of earlier places. It must fit. */
struct pack_place pack_writer_reserve(struct pack_writer *pack, const struct chunk_id *id, uint32_t plain_len,
				      enum chunk_codec codec, size_t stored_len);
/* Fills a reserved place; stored has the reserved length. Different places from many threads at once. */
NODISCARD bool pack_writer_seal(struct pack_writer *pack, struct pack_place place, struct span stored,
				struct err **errp);
/*
 * All places are sealed: appends footer and tail. The bytes are borrowed until the pack is freed; sha256 is over all of
 * them.
 */
NODISCARD bool pack_writer_finish(struct pack_writer *pack, struct span *ret_bytes, uint8_t ret_sha256[HASH_SIZE],
				  struct err **errp);
