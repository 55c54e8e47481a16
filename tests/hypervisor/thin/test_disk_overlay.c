/* SPDX-License-Identifier: Apache-2.0 */
/* A disk over a real nbdkit: what was written is read, what was not is the export's, whatever happens to either. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/disk.h"
#include "hypervisor/thin/overlay_file.h"
#include "tests/error.h"
#include "tests/folder.h"
#include "tests/full_disk.h"
#include "tests/hypervisor/thin/nbd_server.h"

enum { BASE_SIZE = 700 * 1024 + 100, DISK_SIZE = (BASE_SIZE + 511) / 512 * 512, ROUNDS = 1500, PARTS = 5 };

static uint8_t model[DISK_SIZE], found[DISK_SIZE], base[BASE_SIZE];

static int direct_error; /* what the next call past the page cache says */
static unsigned n_direct_reads, n_direct_writes;

ssize_t __wrap_preadv64(int fd, const struct iovec *to, int n, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *from, int n, off_t offset);
ssize_t __real_preadv64(int fd, const struct iovec *to, int n, off_t offset);
ssize_t __real_pwritev64(int fd, const struct iovec *from, int n, off_t offset);

static bool is_fault(int fd, unsigned *count)
{
	if (!(fcntl(fd, F_GETFL) & O_DIRECT))
		return false;
	(*count)++;
	errno = direct_error;
	direct_error = 0;
	return errno != 0;
}

ssize_t __wrap_preadv64(int fd, const struct iovec *to, int n, off_t offset)
{
	return is_fault(fd, &n_direct_reads) ? -1 : __real_preadv64(fd, to, n, offset);
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *from, int n, off_t offset)
{
	return is_fault(fd, &n_direct_writes) ? -1 : __real_pwritev64(fd, from, n, offset);
}

static void write_base(unsigned salt)
{
	AUTO(err_freep) struct err *err = NULL;
	for (size_t i = 0; i < BASE_SIZE; i++)
		base[i] = (uint8_t)(i * 31 + i / 4096 + salt);
	assert_true(file_replace("base", SPAN(base, BASE_SIZE), 0600, &err));
	memset(model, 0, sizeof(model));
	memcpy(model, base, BASE_SIZE);
}

static int enter(void **state)
{
	if (folder_enter(state) != 0)
		return -1;
	write_base(1);
	return 0;
}

static void need_nbdkit(void)
{
	if (!nbd_server_is_there())
		skip();
}

static struct disk *open_overlay_at(const char *path)
{
	AUTO(err_freep) struct err *err = NULL;
	struct disk *disk = disk_open_overlay("vda", "nbd", "", path, &err);
	if (!disk)
		fail_msg("%s", err_message(err));
	return disk;
}

static struct disk *open_overlay(void)
{
	return open_overlay_at("overlay");
}

static void refuse_overlay(enum err_code code, const char *words)
{
	AUTO(err_freep) struct err *err = NULL;
	assert_null(disk_open_overlay("vda", "nbd", "", "overlay", &err));
	assert_error(&err, code, words);
}

/* The memory of a request, cut into parts of any length. */
static int cut(uint8_t *data, size_t size, struct iovec ret[PARTS])
{
	int n = 0;
	while (n < PARTS - 1 && size > 1) {
		size_t part = (size_t)random() % size;
		ret[n++] = (struct iovec){data, part};
		data += part;
		size -= part;
	}
	ret[n++] = (struct iovec){data, size};
	return n;
}

static void check_all(struct disk *disk)
{
	struct iovec parts[PARTS];
	AUTO(err_freep) struct err *err = NULL;
	memset(found, 0xee, sizeof(found));
	int n = cut(found, sizeof(found), parts);
	if (!disk->ops->read(disk, 0, parts, n, &err))
		fail_msg("%s", err_message(err));
	assert_memory_equal(found, model, sizeof(model));
}

enum { PAGE = 4096, LARGE = 300 << 10 };
static alignas(PAGE) uint8_t pages[LARGE];

/* Large, and on pages in memory and on the disk: such requests go past the page cache. */
static bool write_pages(struct disk *disk, size_t offset, int value, struct err **errp)
{
	memset(pages, value, LARGE);
	return disk->ops->write(disk, offset, (struct iovec[]){{pages, PAGE}, {pages + PAGE, LARGE - PAGE}}, 2, errp);
}

static bool read_pages(struct disk *disk, size_t offset, struct err **errp)
{
	memset(pages, 0xee, LARGE);
	return disk->ops->read(disk, offset, &(struct iovec){pages, LARGE}, 1, errp);
}

static void operate_on_pages(struct disk *disk)
{
	AUTO(err_freep) struct err *err = NULL;
	size_t offset = (size_t)random() % ((DISK_SIZE - LARGE) / PAGE) * PAGE;
	if (!write_pages(disk, offset, (int)random(), &err))
		fail_msg("%s", err_message(err));
	memcpy(model + offset, pages, LARGE);
	if (!read_pages(disk, offset, &err))
		fail_msg("%s", err_message(err));
	assert_memory_equal(pages, model + offset, LARGE);
}

static void operate(struct disk *disk)
{
	static uint8_t data[DISK_SIZE];
	struct iovec parts[PARTS];
	AUTO(err_freep) struct err *err = NULL;
	size_t offset = (size_t)random() % (DISK_SIZE / 512) * 512;
	size_t most = DISK_SIZE - offset, length = (1 + (size_t)random() % 40) * 512;
	length = length < most ? length : most;
	bool ok;
	switch (random() % 8) {
	case 0:
		ok = disk->ops->flush(disk, &err);
		break;
	case 1:
		ok = disk->ops->zero(disk, offset, length, random() % 2, &err);
		memset(model + offset, 0, length);
		break;
	case 2:
	case 3:
		ok = disk->ops->read(disk, offset, parts, cut(found, length, parts), &err);
		assert_memory_equal(found, model + offset, length);
		break;
	default:
		for (size_t i = 0; i < length; i++)
			model[offset + i] = data[i] = (uint8_t)random();
		ok = disk->ops->write(disk, offset, parts, cut(data, length, parts), &err);
	}
	if (!ok)
		fail_msg("%s", err_message(err));
}

static void it_is_a_disk(void **state)
{
	(void)state;
	need_nbdkit();
	pid_t server = nbd_server_start("base", false);
	struct disk *disk = open_overlay();
	assert_int_equal(disk->size, DISK_SIZE);
	check_all(disk);
	srandom(7);
	for (int i = 0; i < ROUNDS; i++) {
		operate(disk);
		if (i % 100 == 99)
			operate_on_pages(disk);
	}
	check_all(disk);
	AUTO(err_freep) struct err *err = NULL;
	assert_true(disk->ops->flush(disk, &err));
	disk_free(disk);
	disk = open_overlay();
	check_all(disk);
	disk_free(disk);
	nbd_server_kill(server);
}

/* The blocks are the base's as before, and can be written again. */
static void what_fails_past_the_cache_was_not_written(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	need_nbdkit();
	pid_t server = nbd_server_start("base", false);
	struct disk *disk = open_overlay();
	n_direct_writes = n_direct_reads = 0;
	direct_error = ENOSPC;
	bool written = write_pages(disk, 0, 7, &err);
	direct_error = 0;
	if (n_direct_writes == 0)
		skip();
	assert_false(written);
	assert_error_about(&err, ERR_NO_SPACE, "overlay", "write");
	check_all(disk);
	assert_true(disk->ops->flush(disk, &err));
	assert_true(write_pages(disk, 0, 7, &err));
	memcpy(model, pages, LARGE);
	assert_true(disk->ops->flush(disk, &err));
	direct_error = EIO;
	assert_false(read_pages(disk, 0, &err));
	assert_error_about(&err, ERR_FAILED, "overlay", "read");
	assert_true(n_direct_reads > 0);
	disk_free(disk);
	disk = open_overlay();
	check_all(disk);
	disk_free(disk);
	nbd_server_kill(server);
}

static uint64_t room_of(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

static void discards_give_up_room_and_never_show_the_base(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t data[256 * 1024];
	const struct iovec whole = {data, sizeof(data)};
	(void)state;
	need_nbdkit();
	pid_t server = nbd_server_start("base", false);
	struct disk *disk = open_overlay();
	memset(data, 0xaa, sizeof(data));
	assert_true(disk->ops->write(disk, 0, &whole, 1, &err));
	uint64_t before = room_of("overlay");
	assert_true(disk->ops->discard(disk, 0, sizeof(data), &err));
	assert_true(room_of("overlay") + sizeof(data) / 2 < before);
	assert_true(disk->ops->read(disk, 0, &whole, 1, &err));
	assert_true(data[0] == 0 || data[0] == 0xaa);
	memcpy(model, data, sizeof(data));
	check_all(disk);
	disk_free(disk);
	nbd_server_kill(server);
}

static void a_server_that_comes_back_is_found(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t sector[512];
	const struct iovec part = {sector, sizeof(sector)};
	(void)state;
	need_nbdkit();
	pid_t server = nbd_server_start("base", false);
	struct disk *disk = open_overlay();
	memset(sector, 5, sizeof(sector));
	memset(model + 4096, 5, 512);
	assert_true(disk->ops->write(disk, 4096, &part, 1, &err));
	nbd_server_kill(server);
	/* What is here is read and written; what is not waits for a person. */
	assert_true(disk->ops->read(disk, 4096, &part, 1, &err));
	assert_false(disk->ops->read(disk, 0, &part, 1, &err));
	assert_error(&err, ERR_GONE, "the NBD server at nbd is gone");
	assert_false(disk->ops->write(disk, 0, &part, 1, &err));
	assert_int_equal(err_code(err), ERR_GONE);
	err_clear(&err);
	server = nbd_server_start("base", false);
	check_all(disk);
	/* Away for a moment only, and nobody notices. */
	nbd_server_kill(server);
	server = nbd_server_start("base", false);
	check_all(disk);
	disk_free(disk);
	nbd_server_kill(server);
}

static void another_base_is_refused(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t sector[512];
	const struct iovec part = {sector, sizeof(sector)};
	(void)state;
	need_nbdkit();
	pid_t server = nbd_server_start("base", false);
	struct disk *disk = open_overlay();
	nbd_server_kill(server);
	assert_true(file_replace("base", SPAN(base, BASE_SIZE - 4096), 0600, &err));
	server = nbd_server_start("base", false);
	assert_false(disk->ops->read(disk, 0, &part, 1, &err));
	assert_error(&err, ERR_GONE, "has another ''");
	disk_free(disk);
	refuse_overlay(ERR_EXISTS, "it was made over");
	nbd_server_kill(server);
	refuse_overlay(ERR_GONE, "is gone");
}

static void a_read_that_fails_is_the_guests(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t sector[512] = {0};
	const struct iovec part = {sector, sizeof(sector)};
	(void)state;
	need_nbdkit();
	pid_t server = nbd_server_start("base", true);
	struct disk *disk = open_overlay();
	assert_false(disk->ops->read(disk, 0, &part, 1, &err));
	assert_int_equal(err_code(err), ERR_FAILED);
	err_clear(&err);
	assert_false(disk->ops->write(disk, 512, &part, 1, &err)); /* of a block that is not there */
	disk_free(disk);
	nbd_server_kill(server);
}

static void assert_no_room(bool ok, struct err **err)
{
	assert_false(ok);
	assert_error(err, ERR_NO_SPACE, "overlay");
}

/* The map is the last that needs it. */
static void without_room_nothing_is_lost(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	uint8_t block[4096];
	const struct iovec whole = {block, sizeof(block)};
	(void)state;
	need_nbdkit();
	AUTO(file_closep) int room = full_disk_new();
	if (room < 0)
		skip();
	pid_t server = nbd_server_start("base", false);
	struct disk *disk = open_overlay_at("full/overlay");
	memset(block, 7, sizeof(block));
	memset(model, 7, sizeof(block));
	assert_true(disk->ops->write(disk, 0, &whole, 1, &err));
	full_disk_fill(room);
	assert_no_room(disk->ops->write(disk, 65536, &whole, 1, &err), &err);
	assert_no_room(disk->ops->flush(disk, &err), &err);
	assert_no_room(disk->ops->flush(disk, &err), &err); /* gone on without help */
	full_disk_make_room(room);
	memset(model + 65536, 7, sizeof(block));
	assert_true(disk->ops->write(disk, 65536, &whole, 1, &err));
	assert_true(disk->ops->flush(disk, &err));
	disk_free(disk);
	disk = open_overlay_at("full/overlay");
	check_all(disk);
	disk_free(disk);
	nbd_server_kill(server);
}

static void one_machine_has_it(void **state)
{
	(void)state;
	need_nbdkit();
	pid_t server = nbd_server_start("base", false);
	struct disk *disk = open_overlay();
	refuse_overlay(ERR_BUSY, "another machine has it");
	disk_free(disk);
	disk_free(open_overlay());
	nbd_server_kill(server);
}

static void damage(off_t offset, const char *words, enum err_code code)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes bytes = {0};
	unlink("overlay");
	disk_free(open_overlay());
	assert_true(file_read_all("overlay", 1 << 24, &bytes, &err));
	bytes.data[offset] ^= 0x81;
	assert_true(file_replace("overlay", bytes_span(&bytes), 0600, &err));
	refuse_overlay(code, words);
}

static void damage_is_told(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	(void)state;
	need_nbdkit();
	pid_t server = nbd_server_start("base", false);
	damage(0, "no overlay of Salvor's", ERR_CORRUPT);
	damage(8, "version", ERR_UNSUPPORTED);
	damage(12, "its header is damaged", ERR_CORRUPT);
	damage(16, "it was made over", ERR_EXISTS);
	damage(4095, "its header is damaged", ERR_CORRUPT);
	damage(4096 + 4095, "its map of blocks is damaged", ERR_CORRUPT);
	unlink("overlay");
	disk_free(open_overlay());
	assert_int_equal(truncate("overlay", 100000), 0);
	refuse_overlay(ERR_CORRUPT, "it is cut short");
	assert_true(file_replace("overlay", SPAN_TEXT("precious"), 0600, &err));
	refuse_overlay(ERR_CORRUPT, "no overlay of Salvor's");
	unlink("overlay");
	assert_int_equal(mkdir("overlay", 0700), 0);
	refuse_overlay(ERR_FAILED, "overlay");
	nbd_server_kill(server);
}

static void assert_measure(uint64_t expected)
{
	AUTO(err_freep) struct err *err = NULL;
	uint64_t bytes = UINT64_MAX;
	if (!overlay_file_measure("overlay", &bytes, &err))
		fail_msg("%s", err_message(err));
	assert_int_equal(bytes, expected);
}

/* As long as a machine has it only what was flushed counts, since a crash leaves that. */
static void what_was_written_is_measured(void **state)
{
	AUTO(err_freep) struct err *err = NULL;
	uint64_t bytes;
	(void)state;
	need_nbdkit();
	pid_t server = nbd_server_start("base", false);
	AUTO(disk_freep) struct disk *disk = open_overlay();
	assert_measure(0);
	assert_true(write_pages(disk, 0, 1, &err));
	assert_measure(0);
	assert_true(disk->ops->flush(disk, &err));
	assert_measure(LARGE);
	assert_true(disk->ops->zero(disk, LARGE, DISK_SIZE - LARGE, true, &err) && disk->ops->flush(disk, &err));
	assert_measure(BASE_SIZE);
	assert_int_equal(truncate("overlay", 100), 0);
	assert_false(overlay_file_measure("overlay", &bytes, &err));
	assert_error(&err, ERR_CORRUPT, "overlay overlay: it is no overlay");
	assert_int_equal(truncate("overlay", 0), 0);
	assert_measure(0);
	nbd_server_kill(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_a_disk, enter, folder_leave),
		cmocka_unit_test_setup_teardown(what_fails_past_the_cache_was_not_written, enter, folder_leave),
		cmocka_unit_test_setup_teardown(discards_give_up_room_and_never_show_the_base, enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_server_that_comes_back_is_found, enter, folder_leave),
		cmocka_unit_test_setup_teardown(another_base_is_refused, enter, folder_leave),
		cmocka_unit_test_setup_teardown(a_read_that_fails_is_the_guests, enter, folder_leave),
		cmocka_unit_test_setup_teardown(without_room_nothing_is_lost, enter, folder_leave),
		cmocka_unit_test_setup_teardown(one_machine_has_it, enter, folder_leave),
		cmocka_unit_test_setup_teardown(what_was_written_is_measured, enter, folder_leave),
		cmocka_unit_test_setup_teardown(damage_is_told, enter, folder_leave),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
