/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of an overlay: blocks that were written, over a base that is read elsewhere. docs/vm.md has its format.
 *
 * - A block is local, and in this file, or it is not, and is the base's. In memory that is known at once; on disk a
 * block's bit is set only when its data is durable. So a crash may take back what was not flushed, and never shows what
 * was not written.
 * - Bits are set and never cleared: any half of a bit map that was being written is right.
 * - The magic is written last: a file without it was never finished, and has nothing of anybody's.
 *
 * Called by one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "hypervisor/thin/disk_file.h"

struct err;
struct overlay_file;

#define OVERLAY_HEADER_SIZE 4096U
#define OVERLAY_TEXT_MAX 1024
#define OVERLAY_BLOCK_MIN 4096U
#define OVERLAY_BLOCK_MAX 65536U

/* Which base it is over. Block size: 4 KiB or 64 KiB. */
struct overlay_header {
	uint32_t block_size;
	uint64_t base_size;
	char export_name[OVERLAY_TEXT_MAX + 1], description[OVERLAY_TEXT_MAX + 1];
};

/* Of the first OVERLAY_HEADER_SIZE bytes. ERR_CORRUPT, or ERR_UNSUPPORTED for a newer version. */
NODISCARD bool overlay_header_parse(struct span span, struct overlay_header *ret, struct err **errp);

/*
 * Makes the file where there is none, or none that was finished, and locks it. A file over another base is refused,
 * with both in the message (ERR_EXISTS); one that another machine has is ERR_BUSY. The block size of one that is there
 * stays. Errors name the path.
 */
NODISCARD struct overlay_file *overlay_file_open(const char *path, const struct overlay_header *header,
						 struct err **errp);
/* How many bytes of the disk are in the file, in whole blocks; 0 where it was never finished. Of a file that no machine
 * has. */
NODISCARD bool overlay_file_measure(const char *path, uint64_t *ret, struct err **errp);
/* It begins as a finished one. */
bool overlay_file_is_one(const char *path);
/* Does not flush. */
void overlay_file_close(struct overlay_file *overlay);
DEFINE_AUTO_FREE(struct overlay_file, overlay_file_close);

const struct overlay_header *overlay_file_header(const struct overlay_file *overlay);
/* As it was opened. */
const char *overlay_file_path(const struct overlay_file *overlay);
/* What it needs in jail. Returns how many. */
size_t overlay_file_descriptors(const struct overlay_file *overlay, int ret[DISK_FILE_DESCRIPTORS]);
/* As disk_file_read() and disk_file_write(), at the place that the file has for that offset of the disk. */
NODISCARD ssize_t overlay_file_read(struct overlay_file *overlay, const struct iovec *to, int n, uint64_t offset);
NODISCARD ssize_t overlay_file_write(struct overlay_file *overlay, const struct iovec *from, int n, uint64_t offset);
/* As fallocate(2) there, without EINTR; the file keeps its size. */
NODISCARD int overlay_file_allocate(const struct overlay_file *overlay, int mode, uint64_t offset, uint64_t length);
bool overlay_file_is_local(const struct overlay_file *overlay, uint64_t block);
/* Their data is in the file, durable or not. */
void overlay_file_set_local(struct overlay_file *overlay, uint64_t first, uint64_t n);
/* All that was written is durable, then all bits are. ERR_NO_SPACE is of the map alone: the next flush writes all of it
 * again that is not durable. Once the kernel could not write blocks that it had taken, that is ERR_FAILED, at once and
 * for ever, since the kernel forgets it. */
NODISCARD bool overlay_file_flush(struct overlay_file *overlay, struct err **errp);
/* It can still be written: no flush has failed for ever. */
NODISCARD bool overlay_file_check(const struct overlay_file *overlay, struct err **errp);
