/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power cuts. All that the overlay writes goes through here, where it waits until it is synced; a cut before any call
 * keeps a random part of what waits, sector by sector. Then each sector of the disk must read as it was last flushed,
 * or as something that was written since.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "base/file_io.h"
#include "hypervisor/thin/disk.h"
#include "tests/error.h"
#include "tests/folder.h"
#include "tests/hypervisor/thin/nbd_server.h"

enum {
	SECTOR = 512,
	SECTORS = 256, /* of the disk */
	RUN_MAX = 24,  /* sectors of a write: three blocks */
	IMAGE_MAX = 1 << 20,
	PENDING_MAX = 4096,
	VERSIONS_MAX = 512,
	OPERATIONS = 100,
};

/* ---- the file, as a disk that loses power has it ---- */

struct pending {
	uint64_t offset;
	uint8_t data[SECTOR];
};

static struct {
	uint8_t durable[IMAGE_MAX];
	struct pending pending[PENDING_MAX];
	size_t n_pending;
	unsigned calls, cut_at;
	int write_error;     /* what writes say, 0: all are taken, */
	size_t room;	     /* when so much was taken */
	int sync_error;	     /* what a sync says, once, as the kernel does */
	unsigned good_syncs; /* before that */
	bool counts, cut;    /* what comes behind the cut changes nothing */
} power;

static unsigned seed;

static unsigned random_below(unsigned n)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % n;
}

static void call(void)
{
	if (power.counts && power.calls++ == power.cut_at)
		power.cut = true;
}

static void put(uint64_t offset, const void *data, size_t size)
{
	for (size_t at = 0; !power.cut && at < size; at += SECTOR) {
		assert_true(power.n_pending < PENDING_MAX && offset + at < IMAGE_MAX);
		struct pending *pending = &power.pending[power.n_pending++];
		pending->offset = (offset + at) / SECTOR * SECTOR;
		/* The magic alone is less than a sector, and changes the header that was synced before. */
		memcpy(pending->data, power.durable + pending->offset, SECTOR);
		memcpy(pending->data, (const uint8_t *)data + at, size - at < SECTOR ? size - at : SECTOR);
	}
}

static void keep(const struct pending *pending)
{
	memcpy(power.durable + pending->offset, pending->data, SECTOR);
}

ssize_t __wrap_file_io_pwrite(int fd, const void *data, size_t len, off_t offset);
ssize_t __real_file_io_pwrite(int fd, const void *data, size_t len, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int n, off_t offset);
ssize_t __real_pwritev64(int fd, const struct iovec *parts, int n, off_t offset);
int __wrap_fdatasync(int fd);
int __real_fdatasync(int fd);
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length);
int __real_fallocate64(int fd, int mode, off_t offset, off_t length);

ssize_t __wrap_file_io_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	call();
	if (power.write_error) {
		len = len < power.room ? len : power.room;
		power.room -= len;
		errno = power.write_error;
		if (len == 0)
			return -1;
	}
	if (power.counts)
		put((uint64_t)offset, data, len);
	return __real_file_io_pwrite(fd, data, len, offset);
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *parts, int n, off_t offset)
{
	uint64_t at = (uint64_t)offset;
	call();
	for (int i = 0; i < n; at += parts[i++].iov_len)
		put(at, parts[i].iov_base, parts[i].iov_len);
	return __real_pwritev64(fd, parts, n, offset);
}

int __wrap_fdatasync(int fd)
{
	call();
	if (power.sync_error && power.good_syncs == 0) {
		errno = power.sync_error;
		power.sync_error = 0;
		return -1;
	}
	power.good_syncs -= power.good_syncs > 0;
	for (size_t i = 0; !power.cut && i < power.n_pending; i++)
		keep(&power.pending[i]);
	if (!power.cut)
		power.n_pending = 0;
	return __real_fdatasync(fd);
}

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length)
{
	static const uint8_t zeros[SECTOR];
	call();
	for (off_t at = 0; at < length; at += SECTOR)
		put((uint64_t)(offset + at), zeros, SECTOR);
	return __real_fallocate64(fd, mode, offset, length);
}

/* What is found when the power is back. The length of the file is kept with its name. */
static void write_crashed(const char *from, const char *to)
{
	AUTO(err_freep) struct err *err = NULL;
	struct stat st;
	assert_int_equal(stat(from, &st), 0);
	assert_true(st.st_size <= IMAGE_MAX);
	for (size_t i = 0; i < power.n_pending; i++)
		if (random_below(2) == 0)
			keep(&power.pending[i]);
	power.counts = false;
	if (!file_replace(to, SPAN(power.durable, (size_t)st.st_size), 0600, &err))
		fail_msg("%s", err_message(err));
}

/* ---- what the guest knows ---- */

/* Of a sector: contents[0] was flushed, the others were written since. */
struct versions {
	uint32_t contents[VERSIONS_MAX];
	size_t n;
};

static struct versions disk_knows[SECTORS];

static uint32_t base_content(unsigned sector)
{
	return 0xb0000000U + sector;
}

/* The number again and again; 0 is zeros. */
static void fill(uint8_t *data, uint32_t content)
{
	for (size_t i = 0; i < SECTOR; i += sizeof(content))
		memcpy(data + i, &content, sizeof(content));
}

static void know(unsigned sector, uint32_t content)
{
	struct versions *versions = &disk_knows[sector];
	assert_true(versions->n < VERSIONS_MAX);
	versions->contents[versions->n++] = content;
}

static void know_flushed(void)
{
	for (unsigned i = 0; i < SECTORS; i++) {
		disk_knows[i].contents[0] = disk_knows[i].contents[disk_knows[i].n - 1];
		disk_knows[i].n = 1;
	}
}

static void check_sector(unsigned sector, const uint8_t *data)
{
	const struct versions *versions = &disk_knows[sector];
	uint8_t expected[SECTOR];
	for (size_t i = 0; i < versions->n; i++) {
		fill(expected, versions->contents[i]);
		if (memcmp(expected, data, SECTOR) == 0)
			return;
	}
	uint32_t found;
	memcpy(&found, data, sizeof(found));
	fail_msg("cut before call %u: sector %u reads as %08x, and was %08x when it was flushed", power.cut_at, sector,
		 found, versions->contents[0]);
}

static void operate(struct disk *disk, uint32_t number)
{
	static uint8_t data[RUN_MAX * SECTOR];
	AUTO(err_freep) struct err *err = NULL;
	unsigned first = random_below(SECTORS), most = SECTORS - first < RUN_MAX ? SECTORS - first : RUN_MAX;
	unsigned n = 1 + random_below(most), what = random_below(8);
	bool ok;
	if (what == 0) {
		ok = disk->ops->flush(disk, &err);
		if (!power.cut)
			know_flushed();
	} else if (what == 1) {
		for (unsigned i = 0; i < n; i++)
			know(first + i, 0);
		ok = disk->ops->zero(disk, first * SECTOR, n * SECTOR, number % 2 == 0, &err);
	} else {
		const struct iovec whole = {data, n * SECTOR};
		for (unsigned i = 0; i < n; i++) {
			know(first + i, number * SECTORS + i + 1);
			fill(data + i * SECTOR, number * SECTORS + i + 1);
		}
		ok = disk->ops->write(disk, first * SECTOR, &whole, 1, &err);
	}
	if (!ok)
		fail_msg("%s", err_message(err));
}

static struct disk *open_disk(const char *overlay)
{
	AUTO(err_freep) struct err *err = NULL;
	struct disk *disk = disk_open_overlay("vda", "nbd", "", overlay, &err);
	if (!disk)
		fail_msg("cut before call %u: %s", power.cut_at, err_message(err));
	return disk;
}

static void begin_round(unsigned cut_at)
{
	memset(&power, 0, sizeof(power));
	power.cut_at = cut_at;
	power.counts = true;
	seed = cut_at * 7919 + 17;
	unlink("overlay");
	unlink("crashed");
	for (unsigned i = 0; i < SECTORS; i++) {
		disk_knows[i].n = 0;
		know(i, base_content(i));
	}
}

/* True when there was nothing left to cut. */
static bool survive_cut(unsigned cut_at)
{
	static uint8_t found[SECTORS * SECTOR];
	const struct iovec whole = {found, sizeof(found)};
	AUTO(err_freep) struct err *err = NULL;
	begin_round(cut_at);
	struct disk *disk = open_disk("overlay");
	for (uint32_t i = 1; i <= OPERATIONS && !power.cut; i++)
		operate(disk, i);
	bool done = !power.cut;
	disk_free(disk);
	write_crashed("overlay", "crashed");
	struct disk *again = open_disk("crashed");
	assert_true(again->ops->read(again, 0, &whole, 1, &err));
	for (unsigned i = 0; i < SECTORS; i++)
		check_sector(i, found + i * SECTOR);
	disk_free(again);
	return done;
}

static pid_t serve_base(struct span content)
{
	AUTO(err_freep) struct err *err = NULL;
	if (!nbd_server_is_there())
		skip();
	assert_true(file_replace("base", content, 0600, &err));
	return nbd_server_start("base", false);
}

static void every_cut_is_survived(void **state)
{
	uint8_t base[SECTORS * SECTOR];
	unsigned cuts = 0;
	(void)state;
	for (unsigned i = 0; i < SECTORS; i++)
		fill(base + i * SECTOR, base_content(i));
	pid_t server = serve_base(SPAN_OF(base));
	while (!survive_cut(cuts))
		cuts++;
	nbd_server_kill(server);
	print_message("%u cuts\n", cuts);
	assert_true(cuts > OPERATIONS);
}

static void assert_io_error(bool ok, struct err **err, const char *words)
{
	assert_false(ok);
	assert_error_about(err, ERR_FAILED, "overlay", words);
}

static void a_flush_that_failed_is_the_last(void **state)
{
	static const int errors[] = {EIO, ENOSPC, EDQUOT};
	static uint8_t bytes[SECTORS * SECTOR];
	const struct iovec whole = {bytes, SECTOR};
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	memset(&power, 0, sizeof(power));
	pid_t server = serve_base(SPAN_OF(bytes));
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		AUTO(disk_freep) struct disk *disk = open_disk("overlay");
		assert_true(disk->ops->write(disk, 0, &whole, 1, &err));
		power.sync_error = errors[i];
		assert_io_error(disk->ops->flush(disk, &err), &err, "sync");
		assert_io_error(disk->ops->flush(disk, &err), &err, "failed before");
		assert_io_error(disk->ops->write(disk, 0, &whole, 1, &err), &err, "failed before");
		assert_io_error(disk->ops->zero(disk, 0, SECTOR, true, &err), &err, "failed before");
		assert_io_error(disk->ops->discard(disk, 0, SECTOR, &err), &err, "failed before");
		assert_true(disk->ops->read(disk, 0, &whole, 1, &err));
	}
	nbd_server_kill(server);
}

/* Of a flush whose blocks are durable already: what the write of the map says when a sector is taken, and then its
 * sync. */
struct map_errors {
	int write, sync;
};

static void fail_map(struct map_errors errors)
{
	power.write_error = errors.write;
	power.room = SECTOR;
	power.good_syncs = 1;
	power.sync_error = errors.sync;
}

/* What is in the file is not known to be there until the map is durable: here, at the next flush. */
static void a_map_that_found_no_room_is_written_again(void **state)
{
	static const struct map_errors errors[] = {
		{0, ENOSPC}, {0, EDQUOT}, {ENOSPC, 0}, {ENOSPC, ENOSPC}, {EDQUOT, EDQUOT}};
	static uint8_t zeros[SECTORS * SECTOR];
	uint8_t bytes[SECTOR];
	const struct iovec whole = {bytes, SECTOR};
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	pid_t server = serve_base(SPAN_OF(zeros));
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		begin_round(UINT_MAX);
		struct disk *disk = open_disk("overlay");
		fill(bytes, 0x11111111);
		assert_true(disk->ops->write(disk, 0, &whole, 1, &err));
		fail_map(errors[i]);
		assert_false(disk->ops->flush(disk, &err));
		assert_error(&err, ERR_NO_SPACE, "overlay");
		power.write_error = 0;
		power.n_pending = 0; /* what the kernel says that it could not write, it forgets */
		assert_true(disk->ops->flush(disk, &err));
		disk_free(disk);
		write_crashed("overlay", "crashed");
		disk = open_disk("crashed");
		memset(bytes, 0, SECTOR);
		assert_true(disk->ops->read(disk, 0, &whole, 1, &err));
		assert_int_equal(bytes[0], 0x11);
		disk_free(disk);
	}
	nbd_server_kill(server);
}

static void a_map_that_was_lost_is_the_last(void **state)
{
	static const struct map_errors errors[] = {{0, EIO}, {ENOSPC, EIO}};
	static uint8_t bytes[SECTORS * SECTOR];
	const struct iovec whole = {bytes, SECTOR};
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	pid_t server = serve_base(SPAN_OF(bytes));
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		begin_round(UINT_MAX);
		AUTO(disk_freep) struct disk *disk = open_disk("overlay");
		assert_true(disk->ops->write(disk, 0, &whole, 1, &err));
		fail_map(errors[i]);
		assert_io_error(disk->ops->flush(disk, &err), &err, "sync");
		assert_io_error(disk->ops->flush(disk, &err), &err, "failed before");
	}
	nbd_server_kill(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_cut_is_survived, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_flush_that_failed_is_the_last, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_map_that_found_no_room_is_written_again, folder_enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_map_that_was_lost_is_the_last, folder_enter, folder_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
