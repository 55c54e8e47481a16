/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A segment of the index: an immutable, sorted file of (id, pack, entry), mapped.
 *
 *   head      128: "SLVRINDX" u16 version=1 u16 0 u32 packs u64 records u32 fan-out bits u32 Bloom blocks 0[32]
 *                  sha256[32] of the 64 bytes before, packs and fan-out  0[32]
 *   packs     24 each: u8 class 0[3] u32 seq session16
 *   fan-out   (2^bits + 1) u32: how many records have ids below that prefix
 *   Bloom     64 each: one block an id, seven bits in it
 *   records   42 each: id[32] u32 pack u16 entry u32 check, ascending by id
 *
 * What a search relies on is checked at open, by SHA-256: it is small, 30 bytes a pack and 0.1 a record. A record,
 * which can make a point wrong, carries its own check and is judged when it is used: opening a large index stays cheap,
 * and damage costs one deduplication. A damaged Bloom filter hides an id, so that it is stored again; it has no check.
 */
#pragma once

#include "storage/pack.h"

#define SEGMENT_MAX_RECORDS UINT32_MAX

struct index_pack {
	enum pack_class cls;
	uint32_t seq;
	struct session_id session;
};

struct index_record {
	struct chunk_id id;
	uint32_t pack; /* position in a table of packs */
	uint16_t entry;
};

struct index_segment;

/* Header and tables only, for fuzzing: the bytes are those of a whole segment. ERR_CORRUPT. */
NODISCARD bool index_segment_check(struct span file, struct err **errp);
/* Maps it. ERR_CORRUPT, ERR_NOT_FOUND. */
NODISCARD struct index_segment *index_segment_open(const char *path, uint64_t number, struct err **errp);
void index_segment_free(struct index_segment *segment);
DEFINE_AUTO_FREE(struct index_segment, index_segment_free);
uint64_t index_segment_number(const struct index_segment *segment);
uint64_t index_segment_records(const struct index_segment *segment);
uint32_t index_segment_packs(const struct index_segment *segment);
struct index_pack index_segment_pack(const struct index_segment *segment, uint32_t pack);
/* False for a damaged record. */
bool index_segment_record(const struct index_segment *segment, uint64_t at, struct index_record *ret);
/* The first record of the id; false when there is none. */
bool index_segment_search(const struct index_segment *segment, const struct chunk_id *id, uint64_t *ret_at);

struct segment_writer;

/* A file for at most max_records; replaces what a killed process left under that path. */
NODISCARD struct segment_writer *segment_writer_new(const char *path, const struct index_pack *packs, uint32_t n_packs,
						    uint64_t max_records, struct err **errp);
/* Abandons, and removes the file, when it was not finished. */
void segment_writer_free(struct segment_writer *writer);
DEFINE_AUTO_FREE(struct segment_writer, segment_writer_free);
/* Ids ascend; no more than max_records. */
void segment_writer_put(struct segment_writer *writer, const struct index_record *record);
/* Durable, except for its name. */
NODISCARD bool segment_writer_finish(struct segment_writer *writer, struct err **errp);
