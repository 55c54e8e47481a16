/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index_segment_layout.h"

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

bool segment_layout_fill(struct segment_layout *layout)
{
	if (layout->n_records > SEGMENT_MAX_RECORDS || layout->bloom_blocks == 0 ||
	    layout->fan_bits < SEGMENT_FAN_BITS_MIN || layout->fan_bits > SEGMENT_FAN_BITS_MAX)
		return false;
	layout->packs = SEGMENT_HEAD_SIZE;
	layout->fan = layout->packs + (uint64_t)layout->n_packs * SEGMENT_PACK_SIZE;
	uint64_t fan_end = layout->fan + ((UINT64_C(1) << layout->fan_bits) + 1) * sizeof(uint32_t);
	layout->bloom = round_up(fan_end, SEGMENT_BLOOM_BLOCK);
	layout->records = layout->bloom + (uint64_t)layout->bloom_blocks * SEGMENT_BLOOM_BLOCK;
	layout->size = layout->records + layout->n_records * SEGMENT_RECORD_SIZE;
	return true;
}

uint32_t segment_bucket(const struct chunk_id *id, uint32_t fan_bits)
{
	return (uint32_t)(bytes_load_be64(id->b) >> (64 - fan_bits));
}

uint64_t segment_bloom_block(const struct chunk_id *id, uint32_t bloom_blocks)
{
	return (bytes_load_le64(id->b + 8) >> 32) * bloom_blocks >> 32;
}

unsigned segment_bloom_bit(const struct chunk_id *id, unsigned i)
{
	return (unsigned)(bytes_load_le64(id->b + 16) >> 9 * i) % (SEGMENT_BLOOM_BLOCK * 8);
}

/* FNV-1a: it finds accidents, and nobody but this host writes here. */
uint32_t segment_record_check(const uint8_t record[SEGMENT_RECORD_HASHED])
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < SEGMENT_RECORD_HASHED; i++)
		hash = (hash ^ record[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(hash ^ hash >> 32);
}

bool segment_hash(const uint8_t *file, const struct segment_layout *layout, uint8_t ret[HASH_SIZE], struct err **errp)
{
	struct span parts[] = {
		SPAN(file, SEGMENT_HASHED_HEAD),
		SPAN(file + layout->packs, (size_t)(layout->bloom - layout->packs)),
	};

	return crypto_sha256(parts, ARRAY_LENGTH(parts), ret, errp);
}
