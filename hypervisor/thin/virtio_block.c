/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a request: virtio_drain() takes its chain ─► the header is read, once ─► carry_out() ─► the disk, straight
 * from or to the guest's memory ─► the status byte, which is the last that the device may write ─► virtio_put(), and an
 * interrupt. Or, for want of room or of the disk: virtio_give_back(), and the machine pauses. The only state besides
 * the queue's is the disk's contents.
 */
#include "hypervisor/thin/virtio_block.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/log.h"
#include "hypervisor/thin/board.h"
#include "hypervisor/thin/disk.h"
#include "hypervisor/thin/virtio.h"

/* Virtual I/O Device 1.1, sections 5.2.3 and 5.2.4. */
#define FEATURE_SEG_MAX (UINT64_C(1) << 2)
#define FEATURE_READ_ONLY (UINT64_C(1) << 5)
#define FEATURE_BLOCK_SIZE (UINT64_C(1) << 6)
#define FEATURE_FLUSH (UINT64_C(1) << 9)
#define FEATURE_DISCARD (UINT64_C(1) << 13)
#define FEATURE_WRITE_ZEROES (UINT64_C(1) << 14)

enum {
	CONFIG_CAPACITY = 0,
	CONFIG_SEG_MAX = 12,
	CONFIG_BLOCK_SIZE = 20,
	CONFIG_DISCARD_SECTORS = 36,
	CONFIG_DISCARD_RANGES = 40,
	CONFIG_DISCARD_ALIGNMENT = 44,
	CONFIG_ZERO_SECTORS = 48,
	CONFIG_ZERO_RANGES = 52,
	CONFIG_ZERO_MAY_UNMAP = 56,
	CONFIG_SIZE = 60,
};

/* Section 5.2.6: what a request asks for, and how it ended. */
enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_GET_ID = 8, TYPE_DISCARD = 11, TYPE_WRITE_ZEROES = 13 };
enum { SENTENCE_SIZE = 400 };
enum { HEADER_SIZE = 16, HEADER_SECTOR = 8, STATUS_SIZE = 1, ID_SIZE = 20 };
enum { RANGE_SIZE = 16, RANGE_SECTORS = 8, RANGE_FLAGS = 12, RANGE_UNMAP = 1, RANGES_MAX = 32 };
enum status { STATUS_OK = 0, STATUS_FAILED = 1, STATUS_UNSUPPORTED = 2 };

/* How many ranges a request may have, of how many sectors each, with what flags. */
struct range_rules {
	uint32_t ranges, sectors, flags;
};

/* No request shall hold the machine up for long. A host may have to write its zeros: 32 MiB a request. Discarding is
 * quick: 2 GiB a request. */
static const struct range_rules zero_rules = {.ranges = 1, .sectors = 1 << 16, .flags = RANGE_UNMAP};
static const struct range_rules discard_rules = {.ranges = RANGES_MAX, .sectors = 1 << 17};

struct request {
	uint32_t type;
	uint64_t sector;
	uint32_t readable, writable; /* bytes without header and status */
	uint32_t filled;	     /* of writable, from the first on: what the driver may take for our answer */
};

struct range {
	uint64_t offset, length; /* bytes */
	bool unmap;
};

struct virtio_block {
	struct virtio_device device;
	struct disk *disk;
	bool failure_told; /* to the log, once */
};

static struct virtio_block *block_of(struct virtio_device *device)
{
	return (struct virtio_block *)device;
}

static bool is_on_disk(const struct virtio_block *block, uint64_t sector, uint64_t bytes)
{
	uint64_t sectors = block->disk->size / DISK_SECTOR;
	return bytes % DISK_SECTOR == 0 && sector <= sectors && bytes / DISK_SECTOR <= sectors - sector;
}

/* A driver that cannot flush trusts that what is done is on the disk (section 5.2.5.1). */
static bool flush_for_simple_drivers(struct virtio_block *block, struct err **errp)
{
	return block->device.state.features & FEATURE_FLUSH || block->disk->ops->flush(block->disk, errp);
}

/* ---- One function a type of request. They set *errp where the disk failed. */

static enum status do_in(struct virtio_block *block, struct request *request, struct err **errp)
{
	struct guest_memory *memory = block->device.board->memory;
	const struct virtqueue_chain *chain = &block->device.chain;
	struct iovec to[VIRTQUEUE_SEGMENTS];
	if (!is_on_disk(block, request->sector, request->writable))
		return STATUS_FAILED;
	int n = virtqueue_chain_writable(chain, memory, 0, request->writable, to);
	bool ok = block->disk->ops->read(block->disk, request->sector * DISK_SECTOR, to, n, errp);
	virtqueue_chain_wrote(chain, memory, 0, request->writable); /* what failed may have begun */
	request->filled = ok ? request->writable : 0;
	return ok ? STATUS_OK : STATUS_FAILED;
}

static enum status do_out(struct virtio_block *block, const struct request *request, struct err **errp)
{
	struct iovec from[VIRTQUEUE_SEGMENTS];
	if (block->disk->read_only || !is_on_disk(block, request->sector, request->readable))
		return STATUS_FAILED;
	int n = virtqueue_chain_readable(&block->device.chain, block->device.board->memory, HEADER_SIZE,
					 request->readable, from);
	bool ok = block->disk->ops->write(block->disk, request->sector * DISK_SECTOR, from, n, errp);
	return ok && flush_for_simple_drivers(block, errp) ? STATUS_OK : STATUS_FAILED;
}

static enum status do_flush(struct virtio_block *block, const struct request *request, struct err **errp)
{
	(void)request;
	return block->disk->ops->flush(block->disk, errp) ? STATUS_OK : STATUS_FAILED;
}

static enum status do_get_id(struct virtio_block *block, struct request *request, struct err **errp)
{
	char id[ID_SIZE + 1] = {0}; /* no NUL where it fills the field */
	(void)errp;
	snprintf(id, sizeof(id), "%s", block->disk->name);
	request->filled = request->writable < ID_SIZE ? request->writable : ID_SIZE;
	virtqueue_chain_write(&block->device.chain, block->device.board->memory, 0, id, request->filled);
	return STATUS_OK;
}

/* All ranges are looked at before the first is acted on. */
static enum status read_ranges(struct virtio_block *block, const struct request *request,
			       const struct range_rules *rules, struct range ret[RANGES_MAX])
{
	uint8_t bytes[RANGES_MAX * RANGE_SIZE];
	if (block->disk->read_only || request->readable > rules->ranges * RANGE_SIZE ||
	    request->readable % RANGE_SIZE != 0)
		return STATUS_FAILED;
	virtqueue_chain_read(&block->device.chain, block->device.board->memory, HEADER_SIZE, bytes, request->readable);
	for (uint32_t at = 0; at < request->readable; at += RANGE_SIZE) {
		uint64_t sector = bytes_load_le64(bytes + at);
		uint32_t sectors = bytes_load_le32(bytes + at + RANGE_SECTORS);
		uint32_t asked = bytes_load_le32(bytes + at + RANGE_FLAGS);
		uint64_t length = (uint64_t)sectors * DISK_SECTOR;
		if (asked & ~rules->flags)
			return STATUS_UNSUPPORTED;
		if (sectors == 0 || sectors > rules->sectors || !is_on_disk(block, sector, length))
			return STATUS_FAILED;
		ret[at / RANGE_SIZE] = (struct range){sector * DISK_SECTOR, length, asked & RANGE_UNMAP};
	}
	return STATUS_OK;
}

static enum status do_discard(struct virtio_block *block, const struct request *request, struct err **errp)
{
	struct range ranges[RANGES_MAX];
	enum status status = read_ranges(block, request, &discard_rules, ranges);
	for (uint32_t i = 0; status == STATUS_OK && i < request->readable / RANGE_SIZE; i++)
		if (!block->disk->ops->discard(block->disk, ranges[i].offset, ranges[i].length, errp))
			return STATUS_FAILED;
	return status;
}

static enum status do_write_zeroes(struct virtio_block *block, const struct request *request, struct err **errp)
{
	struct range ranges[RANGES_MAX];
	enum status status = read_ranges(block, request, &zero_rules, ranges);
	for (uint32_t i = 0; status == STATUS_OK && i < request->readable / RANGE_SIZE; i++)
		if (!block->disk->ops->zero(block->disk, ranges[i].offset, ranges[i].length, ranges[i].unmap, errp))
			return STATUS_FAILED;
	return status == STATUS_OK && !flush_for_simple_drivers(block, errp) ? STATUS_FAILED : status;
}

static enum status carry_out(struct virtio_block *block, struct request *request, struct err **errp)
{
	switch (request->type) {
	case TYPE_IN:
		return do_in(block, request, errp);
	case TYPE_OUT:
		return do_out(block, request, errp);
	case TYPE_FLUSH:
		return do_flush(block, request, errp);
	case TYPE_GET_ID:
		return do_get_id(block, request, errp);
	case TYPE_DISCARD:
		return do_discard(block, request, errp);
	case TYPE_WRITE_ZEROES:
		return do_write_zeroes(block, request, errp);
	}
	return STATUS_UNSUPPORTED;
}

/* ---- A request */

static bool read_request(struct virtio_device *device, struct request *ret)
{
	const struct virtqueue_chain *chain = &device->chain;
	uint8_t header[HEADER_SIZE];
	if (chain->readable_bytes < HEADER_SIZE || chain->writable_bytes < STATUS_SIZE)
		return false;
	virtqueue_chain_read(chain, device->board->memory, 0, header, sizeof(header));
	*ret = (struct request){.type = bytes_load_le32(header),
				.sector = bytes_load_le64(header + HEADER_SECTOR),
				.readable = chain->readable_bytes - HEADER_SIZE,
				.writable = chain->writable_bytes - STATUS_SIZE};
	return true;
}

/* A used length counts from the first byte on (Virtual I/O Device 1.2, section 2.7.8.2): the status behind a gap is not
 * of it. */
static void put_status(struct virtio_device *device, unsigned queue, const struct request *request, enum status status)
{
	bool gap = request->filled < request->writable;
	uint8_t byte = (uint8_t)status;
	virtqueue_chain_write(&device->chain, device->board->memory, request->writable, &byte, sizeof(byte));
	virtio_put(device, queue, request->filled + (gap ? 0 : STATUS_SIZE));
}

static bool can_be_helped(const struct err *err)
{
	return err && (err_code(err) == ERR_NO_SPACE || err_code(err) == ERR_GONE);
}

/* The machine pauses, and the person is told what happened to which disk, and what to do. */
static void ask_for_help(struct virtio_block *block, const struct err *err)
{
	const struct happenings *happenings = &block->device.board->happenings;
	bool gone = err_code(err) == ERR_GONE;
	char sentence[SENTENCE_SIZE];
	snprintf(sentence, sizeof(sentence), "%s: %.300s; %s", block->device.name, err_message(err),
		 gone ? "see to it that it is there again" : "make room");
	happenings->trouble(happenings->arg, gone ? TROUBLE_DISK : TROUBLE_HOST, sentence);
}

static void report_failure(struct virtio_block *block, const struct err *err)
{
	if (!block->failure_told)
		log_warning("%s: told the guest of an input/output error: %s", block->device.name, err_message(err));
	block->failure_told = true;
}

static bool serve_one(struct virtio_device *device, unsigned queue)
{
	AUTO(err_freep) struct err *err = NULL;
	struct request request;
	if (!read_request(device, &request)) {
		virtio_break(device, "made a request without a header or without room for its status");
		return false;
	}
	enum status status = carry_out(block_of(device), &request, &err);
	if (can_be_helped(err)) {
		virtio_give_back(device, queue, 1);
		ask_for_help(block_of(device), err);
		return false;
	}
	if (err)
		report_failure(block_of(device), err);
	put_status(device, queue, &request, status);
	return true;
}

static void serve(struct virtio_device *device, unsigned queue)
{
	virtio_drain(device, queue, serve_one);
}

static size_t descriptors(const struct virtio_device *device, int *ret)
{
	const struct disk *disk = ((const struct virtio_block *)device)->disk;
	return disk->ops->descriptors(disk, ret);
}

static const struct virtio_ops ops = {.serve = serve, .descriptors = descriptors};

/* ---- Life */

static void describe(const struct disk *disk, uint8_t config[CONFIG_SIZE])
{
	bytes_store_le64(config + CONFIG_CAPACITY, disk->size / DISK_SECTOR);
	bytes_store_le32(config + CONFIG_SEG_MAX, VIRTQUEUE_SEGMENTS - 2); /* header and status have one each */
	bytes_store_le32(config + CONFIG_BLOCK_SIZE, DISK_SECTOR);
	bytes_store_le32(config + CONFIG_DISCARD_SECTORS, discard_rules.sectors);
	bytes_store_le32(config + CONFIG_DISCARD_RANGES, discard_rules.ranges);
	bytes_store_le32(config + CONFIG_DISCARD_ALIGNMENT, 1);
	bytes_store_le32(config + CONFIG_ZERO_SECTORS, zero_rules.sectors);
	bytes_store_le32(config + CONFIG_ZERO_RANGES, zero_rules.ranges);
	config[CONFIG_ZERO_MAY_UNMAP] = 1;
}

static bool init(struct virtio_block *block, const struct board *board, struct err **errp)
{
	const uint64_t always = FEATURE_SEG_MAX | FEATURE_BLOCK_SIZE | FEATURE_FLUSH;
	uint8_t config[CONFIG_SIZE] = {0};
	char name[sizeof(block->device.name)];
	describe(block->disk, config);
	snprintf(name, sizeof(name), "disk %s", block->disk->name);
	struct virtio_kind kind = {
		.ops = &ops,
		.type = VIRTIO_BLOCK,
		.name = name,
		.n_queues = 1,
		.features =
			always | (block->disk->read_only ? FEATURE_READ_ONLY : FEATURE_DISCARD | FEATURE_WRITE_ZEROES),
		.config = config,
		.config_size = sizeof(config)};
	return virtio_init(&block->device, board, &kind, errp);
}

struct virtio_block *virtio_block_new(const struct board *board, struct disk *disk, struct err **errp)
{
	AUTO(disk_freep) struct disk *owned = disk;
	AUTO(virtio_block_freep) struct virtio_block *block = calloc(1, sizeof(*block));
	if (!block) {
		err_set_no_memory(errp);
		return NULL;
	}
	block->disk = STEAL(&owned);
	return init(block, board, errp) ? STEAL(&block) : NULL;
}

void virtio_block_free(struct virtio_block *block)
{
	if (!block)
		return;
	virtio_release(&block->device);
	disk_free(block->disk);
	free(block);
}

bool virtio_block_flush(struct virtio_block *block, struct err **errp)
{
	return block->disk->read_only || block->disk->ops->flush(block->disk, errp);
}

struct virtio_device *virtio_block_device(struct virtio_block *block)
{
	return &block->device;
}
