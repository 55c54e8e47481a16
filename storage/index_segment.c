/* SPDX-License-Identifier: Apache-2.0 */
#include "storage/index_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/format_parts.h"
#include "storage/index_segment_layout.h"

struct index_segment {
	uint64_t number;
	const uint8_t *file; /* mapped, or NULL */
	struct segment_layout layout;
};

static bool parse_head(struct span file, struct segment_layout *ret, struct err **errp)
{
	struct cursor cursor;
	uint8_t zero[32];

	cursor_init(&cursor, file);
	if (!format_begin(&cursor, SEGMENT_MAGIC, "segment of an index", errp))
		return false;
	ret->n_packs = cursor_u32(&cursor);
	ret->n_records = cursor_u64(&cursor);
	ret->fan_bits = cursor_u32(&cursor);
	ret->bloom_blocks = cursor_u32(&cursor);
	cursor_copy(&cursor, zero, sizeof(zero));
	if (!cursor_ok(&cursor) || !bytes_all_zero(zero, sizeof(zero)) || !segment_layout_fill(ret) ||
	    ret->size != file.len)
		return err_set(errp, ERR_CORRUPT, "segment of an index: its size is not what it says");
	return true;
}

static bool check_packs(const uint8_t *file, const struct segment_layout *layout)
{
	for (uint32_t i = 0; i < layout->n_packs; i++) {
		const uint8_t *pack = file + layout->packs + (uint64_t)i * SEGMENT_PACK_SIZE;
		if ((pack[0] != PACK_CHUNKS && pack[0] != PACK_META) || !bytes_all_zero(pack + 1, 3) ||
		    bytes_load_le32(pack + 4) == 0)
			return false;
	}
	return true;
}

static bool check_fan(const uint8_t *file, const struct segment_layout *layout)
{
	uint32_t before = 0;

	for (uint64_t i = 0; i <= UINT64_C(1) << layout->fan_bits; i++) {
		uint32_t count = bytes_load_le32(file + layout->fan + i * sizeof(uint32_t));
		if (count < before)
			return false;
		before = count;
	}
	return before == layout->n_records;
}

static bool check(struct span file, struct segment_layout *ret, struct err **errp)
{
	uint8_t hash[HASH_SIZE];

	if (!parse_head(file, ret, errp) || !segment_hash(file.data, ret, hash, errp))
		return false;
	const uint8_t *data = file.data;
	if (memcmp(hash, data + SEGMENT_HASHED_HEAD, sizeof(hash)) != 0 || !check_packs(data, ret) ||
	    !check_fan(data, ret))
		return err_set(errp, ERR_CORRUPT, "segment of an index: damaged");
	return true;
}

bool index_segment_check(struct span file, struct err **errp)
{
	struct segment_layout layout = {0};

	return check(file, &layout, errp);
}

static bool map(int fd, const char *path, struct span *ret, struct err **errp)
{
	struct stat status;

	if (fstat(fd, &status) != 0)
		return err_set_errno(errp, errno, "stat '%s'", path);
	if (status.st_size < SEGMENT_HEAD_SIZE)
		return err_set(errp, ERR_CORRUPT, "'%s' is too short", path);
	void *file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		return err_set_errno(errp, errno, "map '%s'", path);
	madvise(file, (size_t)status.st_size, MADV_RANDOM);
	*ret = SPAN(file, (size_t)status.st_size);
	return true;
}

struct index_segment *index_segment_open(const char *path, uint64_t number, struct err **errp)
{
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO(index_segment_freep) struct index_segment *segment = calloc(1, sizeof(*segment));
	struct span file;

	if (!segment) {
		err_set_no_memory(errp);
		return NULL;
	}
	if (fd < 0) {
		err_set_errno(errp, errno, "open '%s'", path);
		return NULL;
	}
	if (!map(fd, path, &file, errp))
		return NULL;
	segment->file = file.data;
	segment->layout.size = file.len;
	segment->number = number;
	struct segment_layout layout = {0};
	if (!check(file, &layout, errp)) {
		err_prefix(errp, "'%s'", path);
		return NULL;
	}
	segment->layout = layout;
	return STEAL(&segment);
}

void index_segment_free(struct index_segment *segment)
{
	if (!segment)
		return;
	if (segment->file)
		munmap((void *)segment->file, (size_t)segment->layout.size);
	free(segment);
}

uint64_t index_segment_number(const struct index_segment *segment)
{
	return segment->number;
}

uint64_t index_segment_records(const struct index_segment *segment)
{
	return segment->layout.n_records;
}

uint32_t index_segment_packs(const struct index_segment *segment)
{
	return segment->layout.n_packs;
}

struct index_pack index_segment_pack(const struct index_segment *segment, uint32_t pack)
{
	const uint8_t *at = segment->file + segment->layout.packs + (uint64_t)pack * SEGMENT_PACK_SIZE;
	struct index_pack ret = {.cls = at[0], .seq = bytes_load_le32(at + 4)};

	session_id_load(at + 8, &ret.session);
	return ret;
}

static const uint8_t *record_at(const struct index_segment *segment, uint64_t at)
{
	return segment->file + segment->layout.records + at * SEGMENT_RECORD_SIZE;
}

bool index_segment_record(const struct index_segment *segment, uint64_t at, struct index_record *ret)
{
	const uint8_t *record = record_at(segment, at);

	memcpy(ret->id.b, record, ID_SIZE);
	ret->pack = bytes_load_le32(record + ID_SIZE);
	ret->entry = bytes_load_le16(record + ID_SIZE + 4);
	return bytes_load_le32(record + SEGMENT_RECORD_HASHED) == segment_record_check(record) &&
	       ret->pack < segment->layout.n_packs;
}

static bool may_have(const struct index_segment *segment, const struct chunk_id *id)
{
	const uint8_t *block = segment->file + segment->layout.bloom +
			       segment_bloom_block(id, segment->layout.bloom_blocks) * SEGMENT_BLOOM_BLOCK;

	for (unsigned i = 0; i < SEGMENT_BLOOM_BITS; i++) {
		unsigned bit = segment_bloom_bit(id, i);
		if ((block[bit / 8] >> bit % 8 & 1) == 0)
			return false;
	}
	return true;
}

bool index_segment_search(const struct index_segment *segment, const struct chunk_id *id, uint64_t *ret_at)
{
	if (!may_have(segment, id))
		return false;
	uint64_t bucket = segment_bucket(id, segment->layout.fan_bits);
	const uint8_t *fan = segment->file + segment->layout.fan + bucket * sizeof(uint32_t);
	uint64_t low = bytes_load_le32(fan), end = bytes_load_le32(fan + sizeof(uint32_t)), high = end;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (memcmp(record_at(segment, middle), id->b, ID_SIZE) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_at = low;
	return low < end && memcmp(record_at(segment, low), id->b, ID_SIZE) == 0;
}
