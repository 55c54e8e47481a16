/* SPDX-License-Identifier: Apache-2.0 */
/*
 *	read:   local blocks ◄── overlay file        others ◄── NBD export
 *	write:  range ──► overlay file, and its blocks are local; first, blocks covered in part ◄── NBD export
 *	flush:  data, then the map of local blocks (overlay_file.h)
 *
 * Where the export cannot be read, nothing has changed: the request may be tried again when the machine goes
 * on, and connects again by itself.
 */
#include "hypervisor/thin/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "hypervisor/thin/nbd_client.h"
#include "hypervisor/thin/overlay_file.h"

/* Of one call: as many as a guest's request has, as a rule. */
enum { PARTS_MAX = 512 };

/* Small blocks spare the guest's writes a read of the export, as long as their map is small, too. */
#define SMALL_BLOCKS_TO (UINT64_C(64) << 30)

struct overlay_disk {
	struct disk disk;
	struct nbd_client *base;
	struct overlay_file *file;
	uint32_t block;	    /* bytes */
	uint64_t base_size; /* the disk is up to a sector longer, and reads as zeros there */
	uint8_t *buffer;    /* of a block */
};

/* The rest of a request's memory. */
struct memory {
	const struct iovec *parts;
	int n;
	size_t done; /* of parts[0] */
};

/* The next `most` bytes or fewer, as parts. Returns how many bytes. */
static size_t take(struct memory *memory, uint64_t most, struct iovec ret[PARTS_MAX], int *ret_n)
{
	size_t length = 0;
	*ret_n = 0;
	while (*ret_n < PARTS_MAX && length < most && memory->n > 0) {
		size_t left = memory->parts->iov_len - memory->done, room = (size_t)(most - length);
		size_t step = left < room ? left : room;
		ret[(*ret_n)++] = (struct iovec){(uint8_t *)memory->parts->iov_base + memory->done, step};
		length += step;
		memory->done += step;
		if (memory->done == memory->parts->iov_len) {
			memory->parts++;
			memory->n--;
			memory->done = 0;
		}
	}
	return length;
}

static uint64_t length_of(const struct iovec *parts, int n)
{
	uint64_t length = 0;
	for (int i = 0; i < n; i++)
		length += parts[i].iov_len;
	return length;
}

/* ---- the base ---- */

static bool connect_again(struct overlay_disk *disk, struct err **errp)
{
	const struct overlay_header *header = overlay_file_header(disk->file);
	struct nbd_facts facts;
	if (nbd_client_is_connected(disk->base))
		return true;
	if (!nbd_client_connect(disk->base, &facts, errp))
		return false;
	if (facts.size == header->base_size && strcmp(facts.description, header->description) == 0)
		return true;
	nbd_client_disconnect(disk->base);
	return err_set(errp, ERR_GONE, "the NBD server has another '%s' now than the overlay was made over",
		       header->export_name);
}

/* A server that was started anew in the meantime is noticed by the first read that fails. */
static bool read_served(struct overlay_disk *disk, uint64_t offset, const struct iovec *to, int n, struct err **errp)
{
	bool was_connected = nbd_client_is_connected(disk->base);
	if (connect_again(disk, errp) && nbd_client_read(disk->base, offset, to, n, errp))
		return true;
	if (!was_connected || nbd_client_is_connected(disk->base))
		return false;
	err_clear(errp);
	return connect_again(disk, errp) && nbd_client_read(disk->base, offset, to, n, errp);
}

static bool read_base(struct overlay_disk *disk, uint64_t offset, const struct iovec *to, int n, struct err **errp)
{
	struct memory memory = {.parts = to, .n = n};
	struct iovec parts[PARTS_MAX];
	uint64_t served = offset < disk->base_size ? disk->base_size - offset : 0;
	int count;
	for (size_t length; served > 0 && (length = take(&memory, served, parts, &count)) > 0; served -= length) {
		if (!read_served(disk, offset, parts, count, errp))
			return false;
		offset += length;
	}
	while (take(&memory, UINT64_MAX, parts, &count) > 0)
		for (int i = 0; i < count; i++)
			memset(parts[i].iov_base, 0, parts[i].iov_len);
	return true;
}

/* ---- the file ---- */

static bool refuse_io(const struct overlay_disk *disk, const char *what, uint64_t offset, struct err **errp)
{
	return err_set_errno(errp, errno, "%s overlay %s at %" PRIu64, what, overlay_file_path(disk->file), offset);
}

typedef ssize_t move_function(struct overlay_file *file, const struct iovec *parts, int n, uint64_t offset);

/* All of it. */
static bool move(struct overlay_disk *disk, move_function *call, uint64_t offset, struct memory memory, uint64_t length,
		 const char *what, struct err **errp)
{
	struct iovec parts[PARTS_MAX];
	int count;
	while (length > 0) {
		struct memory before = memory;
		take(&memory, length, parts, &count);
		ssize_t done = call(disk->file, parts, count, offset);
		if (done < 0)
			return refuse_io(disk, what, offset, errp);
		if (done == 0) {
			errno = EIO;
			return refuse_io(disk, what, offset, errp);
		}
		memory = before;
		for (size_t left = (size_t)done; left > 0;)
			left -= take(&memory, left, parts, &count);
		offset += (size_t)done;
		length -= (size_t)done;
	}
	return true;
}

/* From offset to end: as long as blocks are all local, or all not. */
static uint64_t run_length(const struct overlay_disk *disk, uint64_t offset, uint64_t end, bool *ret_local)
{
	uint64_t block = offset / disk->block;
	*ret_local = overlay_file_is_local(disk->file, block);
	while (++block * disk->block < end && overlay_file_is_local(disk->file, block) == *ret_local) {
	}
	uint64_t stop = block * disk->block;
	return (stop < end ? stop : end) - offset;
}

static struct overlay_disk *overlay_of(struct disk *disk)
{
	return (struct overlay_disk *)disk;
}

static bool overlay_read(struct disk *base, uint64_t offset, const struct iovec *to, int n, struct err **errp)
{
	struct overlay_disk *disk = overlay_of(base);
	struct memory memory = {.parts = to, .n = n};
	uint64_t end = offset + length_of(to, n);
	while (offset < end) {
		struct iovec parts[PARTS_MAX];
		bool local;
		int count;
		size_t length = take(&memory, run_length(disk, offset, end, &local), parts, &count);
		const struct memory run = {.parts = parts, .n = count};
		if (local ? !move(disk, overlay_file_read, offset, run, length, "read", errp)
			  : !read_base(disk, offset, parts, count, errp))
			return false;
		offset += length;
	}
	return true;
}

/* ---- writes ---- */

/* The whole block is in the file as it is. */
static bool make_local(struct overlay_disk *disk, uint64_t block, struct err **errp)
{
	const struct iovec whole = {disk->buffer, disk->block};
	const struct memory memory = {.parts = &whole, .n = 1};
	uint64_t offset = block * disk->block;
	if (overlay_file_is_local(disk->file, block))
		return true;
	if (!read_base(disk, offset, &whole, 1, errp) ||
	    !move(disk, overlay_file_write, offset, memory, disk->block, "write", errp))
		return false;
	overlay_file_set_local(disk->file, block, 1);
	return true;
}

/* The blocks that the range covers in part only: its first and its last. What is behind the disk's end is nobody's. */
static bool make_ends_local(struct overlay_disk *disk, uint64_t offset, uint64_t end, struct err **errp)
{
	if (offset % disk->block != 0 && !make_local(disk, offset / disk->block, errp))
		return false;
	return end % disk->block == 0 || end == disk->disk.size || make_local(disk, end / disk->block, errp);
}

static void set_local(struct overlay_disk *disk, uint64_t offset, uint64_t end)
{
	uint64_t first = offset / disk->block;
	overlay_file_set_local(disk->file, first, (end + disk->block - 1) / disk->block - first);
}

static bool overlay_write(struct disk *base, uint64_t offset, const struct iovec *from, int n, struct err **errp)
{
	struct overlay_disk *disk = overlay_of(base);
	const struct memory memory = {.parts = from, .n = n};
	uint64_t length = length_of(from, n), end = offset + length;
	if (length == 0)
		return true;
	if (!overlay_file_check(disk->file, errp))
		return false;
	if (!make_ends_local(disk, offset, end, errp) ||
	    !move(disk, overlay_file_write, offset, memory, length, "write", errp))
		return false;
	set_local(disk, offset, end);
	return true;
}

static bool overlay_flush(struct disk *base, struct err **errp)
{
	return overlay_file_flush(overlay_of(base)->file, errp);
}

/* ---- giving up room ---- */

/* Not-local blocks keep showing the base, which costs no room here. */
static bool overlay_discard(struct disk *base, uint64_t offset, uint64_t length, struct err **errp)
{
	struct overlay_disk *disk = overlay_of(base);
	uint64_t end = offset + length;
	if (!overlay_file_check(disk->file, errp))
		return false;
	while (offset < end) {
		bool local;
		uint64_t run = run_length(disk, offset, end, &local);
		if (local && overlay_file_allocate(disk->file, FALLOC_FL_PUNCH_HOLE, offset, run) != 0 &&
		    errno != EOPNOTSUPP)
			return refuse_io(disk, "give up room in", offset, errp);
		offset += run;
	}
	return true;
}

static bool write_zeros(struct overlay_disk *disk, uint64_t offset, uint64_t length, struct err **errp)
{
	memset(disk->buffer, 0, disk->block);
	while (length > 0) {
		uint64_t step = length < disk->block ? length : disk->block;
		const struct iovec zeros = {disk->buffer, (size_t)step};
		const struct memory memory = {.parts = &zeros, .n = 1};
		if (!move(disk, overlay_file_write, offset, memory, step, "write", errp))
			return false;
		offset += step;
		length -= step;
	}
	return true;
}

static bool overlay_zero(struct disk *base, uint64_t offset, uint64_t length, bool unmap, struct err **errp)
{
	struct overlay_disk *disk = overlay_of(base);
	uint64_t end = offset + length;
	if (length == 0)
		return true;
	if (!overlay_file_check(disk->file, errp) || !make_ends_local(disk, offset, end, errp))
		return false;
	int mode = unmap ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;
	if (overlay_file_allocate(disk->file, mode, offset, length) != 0) {
		if (errno != EOPNOTSUPP)
			return refuse_io(disk, "write zeros to", offset, errp);
		if (!write_zeros(disk, offset, length, errp))
			return false;
	}
	set_local(disk, offset, end);
	return true;
}

/* ---- life ---- */

static size_t overlay_descriptors(const struct disk *base, int *ret)
{
	const struct overlay_disk *disk = (const struct overlay_disk *)base;
	size_t n = overlay_file_descriptors(disk->file, ret);
	ret[n] = nbd_client_fd(disk->base);
	return ret[n] < 0 ? n : n + 1;
}

static void overlay_free(struct disk *base)
{
	struct overlay_disk *disk = overlay_of(base);
	overlay_file_close(disk->file);
	nbd_client_free(disk->base);
	free(disk->buffer);
	free(disk);
}

static const struct disk_ops overlay_ops = {
	.read = overlay_read,
	.write = overlay_write,
	.flush = overlay_flush,
	.discard = overlay_discard,
	.zero = overlay_zero,
	.descriptors = overlay_descriptors,
	.free = overlay_free,
};

static bool open_file(struct overlay_disk *disk, const char *nbd_export, const char *path, struct err **errp)
{
	struct nbd_facts facts;
	struct overlay_header header = {0};
	if (!nbd_client_connect(disk->base, &facts, errp))
		return false;
	header.base_size = facts.size;
	header.block_size = facts.size <= SMALL_BLOCKS_TO ? OVERLAY_BLOCK_MIN : OVERLAY_BLOCK_MAX;
	snprintf(header.export_name, sizeof(header.export_name), "%s", nbd_export);
	snprintf(header.description, sizeof(header.description), "%s", facts.description);
	disk->file = overlay_file_open(path, &header, errp);
	if (!disk->file)
		return false;
	disk->block = overlay_file_header(disk->file)->block_size;
	disk->base_size = facts.size;
	disk->disk.size = (facts.size + DISK_SECTOR - 1) / DISK_SECTOR * DISK_SECTOR;
	disk->buffer = malloc(disk->block);
	return disk->buffer || err_set_no_memory(errp);
}

struct disk *disk_open_overlay(const char *name, const char *nbd_socket, const char *nbd_export, const char *overlay,
			       struct err **errp)
{
	AUTO(disk_freep) struct disk *disk = calloc(1, sizeof(struct overlay_disk));
	if (!disk) {
		err_set_no_memory(errp);
		return NULL;
	}
	disk->ops = &overlay_ops;
	disk->name = name;
	struct overlay_disk *whole = overlay_of(disk);
	whole->base = nbd_client_new(nbd_socket, nbd_export, errp);
	if (!whole->base || !open_file(whole, nbd_export, overlay, errp))
		return NULL;
	return STEAL(&disk);
}
