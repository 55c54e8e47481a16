/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/thin/overlay_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"

enum { VERSION = 1, MAP_PAGE = 4096 };

#define BLOCKS_MAX (UINT64_C(1) << 30)

static const uint8_t magic[8] = {'S', 'L', 'V', 'R', 'O', 'V', 'L', 'Y'};

struct overlay_file {
	char *path;
	struct disk_file file;
	struct overlay_header header;
	uint64_t n_blocks;
	uint8_t *map;	  /* a bit a block, the lowest of a byte first */
	uint8_t *changed; /* a byte a page of the map: not on disk as it is here */
	size_t map_size;  /* whole pages */
};

/* ---- header ---- */

static uint64_t round_up(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static uint64_t count_blocks(const struct overlay_header *header)
{
	return header->base_size / header->block_size + (header->base_size % header->block_size != 0);
}

static bool header_is_possible(const struct overlay_header *header)
{
	return (header->block_size == OVERLAY_BLOCK_MIN || header->block_size == OVERLAY_BLOCK_MAX) &&
	       header->base_size > 0 && count_blocks(header) <= BLOCKS_MAX;
}

bool overlay_header_parse(struct span span, struct overlay_header *ret, struct err **errp)
{
	struct overlay_header header;
	struct cursor cursor;
	uint8_t found[sizeof(magic)];
	cursor_init(&cursor, span);
	cursor_copy(&cursor, found, sizeof(found));
	uint32_t version = cursor_u32(&cursor);
	if (!cursor_ok(&cursor) || memcmp(found, magic, sizeof(magic)) != 0)
		return err_set(errp, ERR_CORRUPT, "it is no overlay of Salvor's");
	if (version != VERSION)
		return err_set(errp, ERR_UNSUPPORTED, "it has version %" PRIu32 ", which a newer Salvor has made",
			       version);
	header.block_size = cursor_u32(&cursor);
	header.base_size = cursor_u64(&cursor);
	cursor_text(&cursor, header.export_name, sizeof(header.export_name));
	cursor_text(&cursor, header.description, sizeof(header.description));
	if (!cursor_ok(&cursor) || !header_is_possible(&header) || !bytes_all_zero(cursor.at, cursor.left))
		return err_set(errp, ERR_CORRUPT, "its header is damaged");
	*ret = header;
	return true;
}

/* All of it but the magic, whose place is zeros. */
static bool build_header(const struct overlay_header *header, struct bytes *ret, struct err **errp)
{
	bytes_init(ret, OVERLAY_HEADER_SIZE);
	memset(bytes_extend(ret, sizeof(magic)), 0, sizeof(magic));
	bytes_u32(ret, VERSION);
	bytes_u32(ret, header->block_size);
	bytes_u64(ret, header->base_size);
	bytes_text(ret, header->export_name);
	bytes_text(ret, header->description);
	bytes_extend(ret, OVERLAY_HEADER_SIZE - ret->len);
	return bytes_ok(ret) || err_set_no_memory(errp);
}

static bool check_base(const struct overlay_header *there, const struct overlay_header *wanted, struct err **errp)
{
	if (there->base_size == wanted->base_size && strcmp(there->export_name, wanted->export_name) == 0 &&
	    strcmp(there->description, wanted->description) == 0)
		return true;
	return err_set(errp, ERR_EXISTS,
		       "it was made over '%s'%s%s of %" PRIu64 " bytes, and served is '%s'%s%s of %" PRIu64 " bytes",
		       there->export_name, *there->description ? ", " : "", there->description, there->base_size,
		       wanted->export_name, *wanted->description ? ", " : "", wanted->description, wanted->base_size);
}

/* ---- places ---- */

/* Of block 0, on a boundary of blocks. */
static uint64_t data_start(const struct overlay_file *overlay)
{
	return round_up(OVERLAY_HEADER_SIZE + overlay->map_size, OVERLAY_BLOCK_MAX);
}

static uint64_t place(const struct overlay_file *overlay, uint64_t offset)
{
	return data_start(overlay) + offset;
}

static uint64_t whole_size(const struct overlay_file *overlay)
{
	return data_start(overlay) + overlay->n_blocks * overlay->header.block_size;
}

static bool take_shape(struct overlay_file *overlay, const struct overlay_header *header, struct err **errp)
{
	overlay->header = *header;
	overlay->n_blocks = count_blocks(header);
	overlay->map_size = round_up((overlay->n_blocks + 7) / 8, MAP_PAGE);
	overlay->map = calloc(1, overlay->map_size);
	overlay->changed = calloc(1, overlay->map_size / MAP_PAGE);
	return (overlay->map && overlay->changed) || err_set_no_memory(errp);
}

/* ---- create and open ---- */

static bool sync_data(struct overlay_file *overlay, struct err **errp)
{
	return fdatasync(overlay->file.fd) == 0 || err_set_errno(errp, errno, "sync");
}

static bool sync_name(const struct overlay_file *overlay, struct err **errp)
{
	AUTO(freep) char *path = strdup(overlay->path);
	return path ? file_sync_folder(dirname(path), errp) : err_set_no_memory(errp);
}

/* Size and header first, then the magic that makes it count. */
static bool create(struct overlay_file *overlay, const struct overlay_header *header, struct err **errp)
{
	AUTO(bytes_release) struct bytes bytes = {0};
	if (!header_is_possible(header))
		return err_set(errp, ERR_UNSUPPORTED, "an overlay cannot be over %" PRIu64 " bytes", header->base_size);
	if (!build_header(header, &bytes, errp) || !take_shape(overlay, header, errp))
		return false;
	if (ftruncate(overlay->file.fd, 0) != 0 || ftruncate(overlay->file.fd, (off_t)whole_size(overlay)) != 0)
		return err_set_errno(errp, errno, "make room");
	return file_write_at(overlay->file.fd, bytes.data, bytes.len, 0, "header", errp) && sync_data(overlay, errp) &&
	       file_write_at(overlay->file.fd, magic, sizeof(magic), 0, "header", errp) && sync_data(overlay, errp) &&
	       sync_name(overlay, errp);
}

static bool map_is_possible(const struct overlay_file *overlay)
{
	for (uint64_t block = overlay->n_blocks; block % 8 != 0; block++)
		if (overlay_file_is_local(overlay, block))
			return false;
	size_t used = (size_t)((overlay->n_blocks + 7) / 8);
	return bytes_all_zero(overlay->map + used, overlay->map_size - used);
}

/* A file that was never finished has no head. */
static bool read_head(const struct overlay_file *overlay, uint64_t size, uint8_t head[OVERLAY_HEADER_SIZE],
		      bool *ret_finished, struct err **errp)
{
	*ret_finished = false;
	if (size == 0)
		return true;
	if (size < OVERLAY_HEADER_SIZE)
		return err_set(errp, ERR_CORRUPT, "it is no overlay of Salvor's");
	if (!file_read_at(overlay->file.fd, head, OVERLAY_HEADER_SIZE, 0, "header", errp))
		return false;
	*ret_finished = !bytes_all_zero(head, sizeof(magic));
	return true;
}

/* wanted NULL: over whatever base. */
static bool load(struct overlay_file *overlay, struct span head, const struct overlay_header *wanted, uint64_t size,
		 struct err **errp)
{
	struct overlay_header header;
	if (!overlay_header_parse(head, &header, errp) || (wanted && !check_base(&header, wanted, errp)) ||
	    !take_shape(overlay, &header, errp))
		return false;
	if (size < whole_size(overlay))
		return err_set(errp, ERR_CORRUPT, "it is cut short: %" PRIu64 " bytes of %" PRIu64, size,
			       whole_size(overlay));
	if (!file_read_at(overlay->file.fd, overlay->map, overlay->map_size, OVERLAY_HEADER_SIZE, "map", errp))
		return false;
	return map_is_possible(overlay) || err_set(errp, ERR_CORRUPT, "its map of blocks is damaged");
}

/* As long as the file is open; by whomever else has it, in this process or another. */
static bool lock(const struct overlay_file *overlay, struct err **errp)
{
	struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(overlay->file.fd, F_OFD_SETLK, &whole) == 0)
		return true;
	if (errno == EAGAIN || errno == EACCES)
		return err_set(errp, ERR_BUSY, "another machine has it");
	return err_set_errno(errp, errno, "lock");
}

static bool open_regular(struct overlay_file *overlay, int flags, uint64_t *ret_size, struct err **errp)
{
	struct stat st;
	overlay->file.fd = open(overlay->path, flags | O_CLOEXEC | O_NOCTTY, 0600);
	if (overlay->file.fd < 0 || fstat(overlay->file.fd, &st) < 0)
		return err_set_errno(errp, errno, "open");
	if (!S_ISREG(st.st_mode))
		return err_set(errp, ERR_FAILED, "it is not a regular file");
	*ret_size = (uint64_t)st.st_size;
	return true;
}

static bool open_or_create(struct overlay_file *overlay, const struct overlay_header *wanted, struct err **errp)
{
	uint8_t head[OVERLAY_HEADER_SIZE];
	uint64_t size;
	bool finished;
	if (!open_regular(overlay, O_RDWR | O_CREAT, &size, errp) || !lock(overlay, errp) ||
	    !read_head(overlay, size, head, &finished, errp))
		return false;
	return finished ? load(overlay, SPAN_OF(head), wanted, size, errp) : create(overlay, wanted, errp);
}

/* As it is before a file is open. NULL on failure. */
static struct overlay_file *overlay_new(const char *path, struct err **errp)
{
	AUTO(overlay_file_closep) struct overlay_file *overlay = malloc(sizeof(*overlay));
	if (overlay)
		*overlay = (struct overlay_file){.path = strdup(path), .file = {.fd = -1, .direct = -1}};
	if (overlay && overlay->path)
		return STEAL(&overlay);
	err_set_no_memory(errp);
	return NULL;
}

struct overlay_file *overlay_file_open(const char *path, const struct overlay_header *header, struct err **errp)
{
	AUTO(overlay_file_closep) struct overlay_file *overlay = overlay_new(path, errp);
	if (!overlay)
		return NULL;
	if (!open_or_create(overlay, header, errp)) {
		err_prefix(errp, "overlay %s", path);
		return NULL;
	}
	disk_file_init(&overlay->file, overlay->file.fd);
	return STEAL(&overlay);
}

void overlay_file_close(struct overlay_file *overlay)
{
	if (!overlay)
		return;
	disk_file_release(&overlay->file);
	free(overlay->path);
	free(overlay->map);
	free(overlay->changed);
	free(overlay);
}

const struct overlay_header *overlay_file_header(const struct overlay_file *overlay)
{
	return &overlay->header;
}

const char *overlay_file_path(const struct overlay_file *overlay)
{
	return overlay->path;
}

size_t overlay_file_descriptors(const struct overlay_file *overlay, int ret[DISK_FILE_DESCRIPTORS])
{
	return disk_file_descriptors(&overlay->file, ret);
}

/* ---- blocks ---- */

ssize_t overlay_file_read(struct overlay_file *overlay, const struct iovec *to, int n, uint64_t offset)
{
	return disk_file_read(&overlay->file, to, n, place(overlay, offset));
}

ssize_t overlay_file_write(struct overlay_file *overlay, const struct iovec *from, int n, uint64_t offset)
{
	return disk_file_write(&overlay->file, from, n, place(overlay, offset));
}

int overlay_file_allocate(const struct overlay_file *overlay, int mode, uint64_t offset, uint64_t length)
{
	return (int)TEMP_FAILURE_RETRY(
		fallocate(overlay->file.fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)place(overlay, offset), (off_t)length));
}

/* ---- what was written ---- */

static bool load_any(struct overlay_file *overlay, struct err **errp)
{
	uint8_t head[OVERLAY_HEADER_SIZE];
	uint64_t size;
	bool finished;
	if (!open_regular(overlay, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, &size, errp) ||
	    !read_head(overlay, size, head, &finished, errp))
		return false;
	return !finished || load(overlay, SPAN_OF(head), NULL, size, errp);
}

bool overlay_file_measure(const char *path, uint64_t *ret, struct err **errp)
{
	AUTO(overlay_file_closep) struct overlay_file *overlay = overlay_new(path, errp);
	if (!overlay)
		return false;
	if (!load_any(overlay, errp))
		return err_prefix(errp, "overlay %s", path);
	uint64_t blocks = 0;
	for (size_t i = 0; i < overlay->map_size; i++)
		blocks += (uint64_t)__builtin_popcount(overlay->map[i]);
	uint64_t bytes = blocks * overlay->header.block_size;
	*ret = bytes < overlay->header.base_size ? bytes : overlay->header.base_size;
	return true;
}

bool overlay_file_is_one(const char *path)
{
	uint8_t found[sizeof(magic)];
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd >= 0 && TEMP_FAILURE_RETRY(pread(fd, found, sizeof(found), 0)) == (ssize_t)sizeof(found) &&
	       memcmp(found, magic, sizeof(magic)) == 0;
}

/* ---- the map ---- */

bool overlay_file_is_local(const struct overlay_file *overlay, uint64_t block)
{
	return overlay->map[block / 8] >> (block % 8) & 1;
}

void overlay_file_set_local(struct overlay_file *overlay, uint64_t first, uint64_t n)
{
	for (uint64_t block = first; block < first + n; block++) {
		if (overlay_file_is_local(overlay, block))
			continue;
		overlay->map[block / 8] |= (uint8_t)(1U << (block % 8));
		overlay->changed[block / 8 / MAP_PAGE] = 1;
	}
}

static bool map_is_durable(const struct overlay_file *overlay)
{
	return bytes_all_zero(overlay->changed, overlay->map_size / MAP_PAGE);
}

static bool write_map(const struct overlay_file *overlay, struct err **errp)
{
	for (size_t at = 0; at < overlay->map_size; at += MAP_PAGE)
		if (overlay->changed[at / MAP_PAGE] && !file_write_at(overlay->file.fd, overlay->map + at, MAP_PAGE,
								      OVERLAY_HEADER_SIZE + at, "map", errp))
			return false;
	return true;
}

static bool lose(struct overlay_file *overlay, int errnum, struct err **errp)
{
	overlay->file.lost = true;
	return err_set(errp, ERR_FAILED, "sync: %s", strerror(errnum));
}

static bool sync_written(struct overlay_file *overlay, struct err **errp)
{
	return disk_file_sync(&overlay->file) == 0 || lose(overlay, errno, errp);
}

static bool sync_map(struct overlay_file *overlay, struct err **errp)
{
	if (fdatasync(overlay->file.fd) == 0)
		return true;
	return errno == ENOSPC || errno == EDQUOT ? err_set_errno(errp, errno, "sync the map")
						  : lose(overlay, errno, errp);
}

/* Nothing but the map was written since the last sync, and that is still here: where room is missing, it is written
 * again. A part is synced, too: what the kernel says of it late is not for the next flush, which would hear of blocks.
 */
static bool flush_map(struct overlay_file *overlay, struct err **errp)
{
	AUTO(err_freep) struct err *unwritten = NULL;
	bool whole = write_map(overlay, &unwritten);
	if (!sync_map(overlay, errp))
		return false;
	if (!whole)
		return err_move(errp, &unwritten);
	memset(overlay->changed, 0, overlay->map_size / MAP_PAGE);
	return true;
}

bool overlay_file_check(const struct overlay_file *overlay, struct err **errp)
{
	return !overlay->file.lost ||
	       err_set(errp, ERR_FAILED,
		       "overlay %s: writing to it failed before, so nothing more is written until it is opened anew",
		       overlay->path);
}

bool overlay_file_flush(struct overlay_file *overlay, struct err **errp)
{
	if (!overlay_file_check(overlay, errp))
		return false;
	return (sync_written(overlay, errp) && (map_is_durable(overlay) || flush_map(overlay, errp))) ||
	       err_prefix(errp, "overlay %s", overlay->path);
}
