/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "storage/format_parts.h"
#include "storage/index_segment_layout.h"

#define RECORDS_A_BUCKET 64
#define BLOOM_BITS_A_RECORD 10

struct segment_writer {
	char *path;
	int fd;
	uint8_t *file; /* mapped; its space is allocated before, so that a full disk is an error and no signal */
	size_t mapped;
	struct segment_layout layout;
	uint64_t max_records;
	bool finished;
};

static uint32_t fan_bits_for(uint64_t records)
{
	uint32_t bits = SEGMENT_FAN_BITS_MIN;

	while (bits < SEGMENT_FAN_BITS_MAX && records >> bits > RECORDS_A_BUCKET)
		bits++;
	return bits;
}

static bool map_new(struct segment_writer *writer, struct err **errp)
{
	unlink(writer->path); /* a new file: somebody may have the old one mapped, and must not see it shrink */
	writer->fd = open(writer->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (writer->fd < 0)
		return err_set_errno(errp, errno, "create '%s'", writer->path);
	int errnum = posix_fallocate(writer->fd, 0, (off_t)writer->layout.size);
	if (errnum != 0)
		return err_set_errno(errp, errnum, "allocate '%s'", writer->path);
	void *file = mmap(NULL, (size_t)writer->layout.size, PROT_READ | PROT_WRITE, MAP_SHARED, writer->fd, 0);
	if (file == MAP_FAILED)
		return err_set_errno(errp, errno, "map '%s'", writer->path);
	writer->file = file;
	writer->mapped = (size_t)writer->layout.size;
	return true;
}

static void put_packs(struct segment_writer *writer, const struct index_pack *packs)
{
	for (uint32_t i = 0; i < writer->layout.n_packs; i++) {
		uint8_t *at = writer->file + writer->layout.packs + (uint64_t)i * SEGMENT_PACK_SIZE;
		at[0] = (uint8_t)packs[i].cls;
		bytes_store_le32(at + 4, packs[i].seq);
		session_id_store(&packs[i].session, at + 8);
	}
}

struct segment_writer *segment_writer_new(const char *path, const struct index_pack *packs, uint32_t n_packs,
					  uint64_t max_records, struct err **errp)
{
	AUTO(segment_writer_freep) struct segment_writer *writer = calloc(1, sizeof(*writer));

	if (!writer || !(writer->path = strdup(path))) {
		free(STEAL(&writer));
		err_set_no_memory(errp);
		return NULL;
	}
	writer->fd = -1;
	writer->max_records = max_records;
	writer->layout = (struct segment_layout){
		.n_packs = n_packs,
		.n_records = max_records,
		.fan_bits = fan_bits_for(max_records),
		.bloom_blocks = (uint32_t)(max_records * BLOOM_BITS_A_RECORD / (SEGMENT_BLOOM_BLOCK * 8) + 1),
	};
	if (!segment_layout_fill(&writer->layout)) {
		err_set(errp, ERR_UNSUPPORTED, "'%s' would have too many records", path);
		return NULL;
	}
	if (!map_new(writer, errp))
		return NULL;
	put_packs(writer, packs);
	writer->layout.n_records = 0;
	return STEAL(&writer);
}

void segment_writer_free(struct segment_writer *writer)
{
	if (!writer)
		return;
	if (writer->file)
		munmap(writer->file, writer->mapped);
	if (writer->fd >= 0 && !writer->finished)
		unlink(writer->path);
	file_closep(&writer->fd);
	free(writer->path);
	free(writer);
}

static void put_bloom(struct segment_writer *writer, const struct chunk_id *id)
{
	uint8_t *block = writer->file + writer->layout.bloom +
			 segment_bloom_block(id, writer->layout.bloom_blocks) * SEGMENT_BLOOM_BLOCK;

	for (unsigned i = 0; i < SEGMENT_BLOOM_BITS; i++) {
		unsigned bit = segment_bloom_bit(id, i);
		block[bit / 8] |= (uint8_t)(1u << bit % 8);
	}
}

/* Until the end, slot b + 1 of the fan-out counts the records of bucket b. */
void segment_writer_put(struct segment_writer *writer, const struct index_record *record)
{
	assert(writer->layout.n_records < writer->max_records);
	uint8_t *at = writer->file + writer->layout.records + writer->layout.n_records * SEGMENT_RECORD_SIZE;

	memcpy(at, record->id.b, ID_SIZE);
	bytes_store_le32(at + ID_SIZE, record->pack);
	bytes_store_le16(at + ID_SIZE + 4, record->entry);
	bytes_store_le32(at + SEGMENT_RECORD_HASHED, segment_record_check(at));
	put_bloom(writer, &record->id);
	uint64_t bucket = segment_bucket(&record->id, writer->layout.fan_bits);
	uint8_t *count = writer->file + writer->layout.fan + (bucket + 1) * sizeof(uint32_t);
	bytes_store_le32(count, bytes_load_le32(count) + 1);
	writer->layout.n_records++;
}

static void sum_fan(struct segment_writer *writer)
{
	uint8_t *fan = writer->file + writer->layout.fan;
	uint32_t sum = 0;

	for (uint64_t i = 0; i <= UINT64_C(1) << writer->layout.fan_bits; i++) {
		sum += bytes_load_le32(fan + i * sizeof(uint32_t));
		bytes_store_le32(fan + i * sizeof(uint32_t), sum);
	}
}

static void put_head(struct segment_writer *writer)
{
	static const char magic[FORMAT_MAGIC_SIZE] = SEGMENT_MAGIC;
	uint8_t *head = writer->file;

	memcpy(head, magic, sizeof(magic));
	bytes_store_le16(head + 8, 1);
	bytes_store_le32(head + 12, writer->layout.n_packs);
	bytes_store_le64(head + 16, writer->layout.n_records);
	bytes_store_le32(head + 24, writer->layout.fan_bits);
	bytes_store_le32(head + 28, writer->layout.bloom_blocks);
}

bool segment_writer_finish(struct segment_writer *writer, struct err **errp)
{
	uint8_t hash[HASH_SIZE];

	segment_layout_fill(&writer->layout);
	sum_fan(writer);
	put_head(writer);
	if (!segment_hash(writer->file, &writer->layout, hash, errp))
		return false;
	memcpy(writer->file + SEGMENT_HASHED_HEAD, hash, sizeof(hash));
	munmap(writer->file, writer->mapped);
	writer->file = NULL;
	if (ftruncate(writer->fd, (off_t)writer->layout.size) != 0 || fsync(writer->fd) != 0)
		return err_set_errno(errp, errno, "write '%s'", writer->path);
	writer->finished = true;
	return true;
}
