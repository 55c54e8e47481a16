/* SPDX-License-Identifier: Apache-2.0 */
/* Places in the file of a segment, for index_segment_*.c only. The layout is drawn in index_segment.h. */
#pragma once

#include "storage/index_segment.h"

#define SEGMENT_MAGIC "SLVRINDX"
#define SEGMENT_HEAD_SIZE 128
#define SEGMENT_HASHED_HEAD 64
#define SEGMENT_PACK_SIZE 24
#define SEGMENT_RECORD_SIZE 42
#define SEGMENT_RECORD_HASHED 38
#define SEGMENT_BLOOM_BLOCK 64
#define SEGMENT_FAN_BITS_MIN 4
#define SEGMENT_FAN_BITS_MAX 20

struct segment_layout {
	uint32_t n_packs, fan_bits, bloom_blocks;
	uint64_t n_records;
	uint64_t packs, fan, bloom, records, size; /* offsets, and the whole */
};

/* Fills the offsets from the numbers. False when they cannot be. */
bool segment_layout_fill(struct segment_layout *layout);
uint32_t segment_bucket(const struct chunk_id *id, uint32_t fan_bits);
/* The block of the id. */
uint64_t segment_bloom_block(const struct chunk_id *id, uint32_t bloom_blocks);
/* Bit i of 7 in its block. */
unsigned segment_bloom_bit(const struct chunk_id *id, unsigned i);
#define SEGMENT_BLOOM_BITS 7
uint32_t segment_record_check(const uint8_t record[SEGMENT_RECORD_HASHED]);
/* Over head, packs and fan-out. */
bool segment_hash(const uint8_t *file, const struct segment_layout *layout, uint8_t ret[HASH_SIZE], struct err **errp);
