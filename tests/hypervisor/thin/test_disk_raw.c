/* SPDX-License-Identifier: Apache-2.0 */
/* Images and the locks on them, also those of QEMU's own programs. */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/disk.h"
#include "tests/error.h"
#include "tests/folder.h"
#include "tests/full_disk.h"

enum { SIZE = 1 << 20 };

static int sync_error; /* what the next fdatasync() says, once, as the kernel does */

int __wrap_fdatasync(int fd);
int __real_fdatasync(int fd);

int __wrap_fdatasync(int fd)
{
	errno = sync_error;
	sync_error = 0;
	return errno ? -1 : __real_fdatasync(fd);
}

static int direct_error; /* what the next call past the page cache says */
static bool is_short;	 /* or it stops after its first part */
static unsigned n_direct;

ssize_t __wrap_preadv64(int fd, const struct iovec *to, int n, off_t offset);
ssize_t __wrap_pwritev64(int fd, const struct iovec *from, int n, off_t offset);
ssize_t __real_preadv64(int fd, const struct iovec *to, int n, off_t offset);
ssize_t __real_pwritev64(int fd, const struct iovec *from, int n, off_t offset);

static bool is_fault(int fd)
{
	if (!(fcntl(fd, F_GETFL) & O_DIRECT))
		return false;
	n_direct++;
	errno = direct_error;
	direct_error = 0;
	return errno != 0;
}

static int parts_of(int fd, int n)
{
	return is_short && fcntl(fd, F_GETFL) & O_DIRECT ? 1 : n;
}

ssize_t __wrap_preadv64(int fd, const struct iovec *to, int n, off_t offset)
{
	return is_fault(fd) ? -1 : __real_preadv64(fd, to, parts_of(fd, n), offset);
}

ssize_t __wrap_pwritev64(int fd, const struct iovec *from, int n, off_t offset)
{
	return is_fault(fd) ? -1 : __real_pwritev64(fd, from, parts_of(fd, n), offset);
}

static void make_image(const char *path, off_t size)
{
	AUTO(file_closep) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, size), 0);
}

static struct disk *must_open(const char *path, bool read_only)
{
	AUTO(err_freep) struct err *err = NULL;
	struct disk *disk = disk_open_raw("vda", path, read_only, &err);
	if (!disk)
		fail_msg("%s", err_message(err));
	return disk;
}

static void assert_refused(const char *path, bool read_only, enum err_code code, const char *words)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(disk_freep) struct disk *disk = disk_open_raw("vda", path, read_only, &err);
	assert_null(disk);
	assert_error_about(&err, code, path, words);
}

static void vectors_are_read_and_written(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	char a[300], b[0x1000], c[212];
	struct iovec vectors[] = {{a, sizeof(a)}, {NULL, 0}, {b, sizeof(b)}, {c, sizeof(c)}};
	make_image("disk.img", SIZE);
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
	assert_int_equal(disk->size, SIZE);
	memset(a, 'a', sizeof(a));
	memset(b, 'b', sizeof(b));
	memset(c, 'c', sizeof(c));
	assert_true(disk->ops->write(disk, 512, vectors, 4, &err));
	memset(a, 0, sizeof(a));
	memset(b, 0, sizeof(b));
	memset(c, 0, sizeof(c));
	assert_true(disk->ops->read(disk, 512, vectors, 4, &err));
	assert_int_equal(a[299], 'a');
	assert_int_equal(b[0], 'b');
	assert_int_equal(c[211], 'c');
	assert_true(disk->ops->read(disk, 512, vectors, 0, &err));
	assert_true(disk->ops->flush(disk, &err));
}

static void an_image_that_shrinks_is_an_error(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	char bytes[4096];
	struct iovec vectors[] = {{bytes, 1024}, {bytes + 1024, 1024}, {bytes + 2048, 2048}};
	make_image("disk.img", SIZE);
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
	assert_int_equal(truncate("disk.img", 8192 + 1536), 0);
	assert_false(
		disk->ops->read(disk, 8192, vectors, 3, &err)); /* begins, goes on in the middle of a vector, ends */
	assert_error_about(&err, ERR_FAILED, "disk.img", "shorter");
}

static void assert_io_error(bool ok, struct err **err, const char *path, const char *words)
{
	assert_false(ok);
	assert_error_about(err, ERR_FAILED, path, words);
}

static bool is(struct disk *disk, uint64_t offset, char value)
{
	AUTO(err_freep) struct err *err = NULL;
	char bytes[512];
	assert_true(disk->ops->read(disk, offset, &(struct iovec){bytes, sizeof(bytes)}, 1, &err));
	for (size_t i = 0; i < sizeof(bytes); i++)
		if (bytes[i] != value)
			return false;
	return true;
}

static void zeros_are_zeros(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *bytes = malloc(SIZE);
	make_image("disk.img", SIZE);
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
	memset(bytes, 'x', SIZE);
	assert_true(disk->ops->write(disk, 0, &(struct iovec){bytes, SIZE}, 1, &err));
	assert_true(disk->ops->zero(disk, 512, 512, false, &err));
	assert_true(disk->ops->zero(disk, 4096, 300 << 10, false, &err));
	assert_true(disk->ops->zero(disk, (512 << 10) + 512, 70 << 10, true, &err));
	assert_true(disk->ops->discard(disk, 1000 << 10, 8192, &err));
	assert_true(is(disk, 0, 'x') && is(disk, 512, 0) && is(disk, 1024, 'x'));
	assert_true(is(disk, 4096, 0) && is(disk, (304 << 10) - 512, 0) && is(disk, 304 << 10, 'x'));
	assert_true(is(disk, 512 << 10, 'x') && is(disk, (512 << 10) + 512, 0) && is(disk, (582 << 10), 0));
	assert_true(is(disk, (582 << 10) + 512, 'x'));
}

enum { PARTS = 128, PART = 4096 };

/* Half a MiB, as the many pages that a guest gives. */
static void cut(char *bytes, struct iovec ret[PARTS])
{
	for (size_t i = 0; i < PARTS; i++)
		ret[i] = (struct iovec){bytes + i * PART, PART};
}

static bool write_large(struct disk *disk, uint64_t offset, char *bytes, struct err **errp)
{
	struct iovec parts[PARTS];
	cut(bytes, parts);
	return disk->ops->write(disk, offset, parts, PARTS, errp);
}

static bool read_large(struct disk *disk, uint64_t offset, char *bytes, struct err **errp)
{
	struct iovec parts[PARTS];
	cut(bytes, parts);
	return disk->ops->read(disk, offset, parts, PARTS, errp);
}

/* What the page cache has there, changed or not, is neither lost nor shown again. */
static void large_writes_and_small_ones_see_each_other(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *bytes = aligned_alloc(4096, SIZE / 2);
	make_image("disk.img", SIZE);
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
	memset(bytes, 'a', SIZE / 2);
	assert_true(disk->ops->write(disk, 4096 - 512, &(struct iovec){bytes, 1024}, 1, &err));
	assert_true(is(disk, 8192, 0));
	memset(bytes, 'b', SIZE / 2);
	assert_true(write_large(disk, 4096, bytes, &err));
	assert_true(is(disk, 4096 - 512, 'a') && is(disk, 4096, 'b') && is(disk, 8192, 'b'));
	assert_true(disk->ops->write(disk, 8192, &(struct iovec){"cccc", 4}, 1, &err));
	assert_true(read_large(disk, 4096, bytes, &err));
	assert_memory_equal(bytes + 4096 - 4, "bbbbccccbbbb", 12);
	assert_true(disk->ops->flush(disk, &err));
	assert_true(is(disk, 4096 + SIZE / 2 - 512, 'b') && is(disk, 4096 + SIZE / 2, 0));
}

/* It is told of the request itself, whose data the guest still has: so nothing is lost, and the next flush is good. */
static void what_fails_past_the_cache_can_be_written_again(void **state)
{
	(void)state;
	static const struct {
		int errnum;
		enum err_code code;
	} cases[] = {{EIO, ERR_FAILED}, {ENOSPC, ERR_NO_SPACE}, {ENODEV, ERR_GONE}};
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *bytes = aligned_alloc(4096, SIZE / 2);
	make_image("disk.img", SIZE);
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
	memset(bytes, 'x', SIZE / 2);
	n_direct = 0;
	assert_true(write_large(disk, SIZE / 2, bytes, &err));
	if (n_direct == 0)
		skip();
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		direct_error = cases[i].errnum;
		assert_false(write_large(disk, 0, bytes, &err));
		assert_error_about(&err, cases[i].code, "disk.img", "write");
		assert_true(is(disk, 0, 0));
		assert_true(disk->ops->flush(disk, &err));
	}
}

static void a_file_that_offers_no_such_way_takes_the_other(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *bytes = aligned_alloc(4096, SIZE / 2);
	make_image("disk.img", SIZE);
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
	memset(bytes, 'x', SIZE / 2);
	direct_error = EINVAL;
	n_direct = 0;
	assert_true(write_large(disk, 0, bytes, &err));
	assert_true(is(disk, 0, 'x') && is(disk, SIZE / 2 - 512, 'x'));
	assert_true(read_large(disk, 0, bytes, &err));
	assert_true(n_direct <= 1);
	direct_error = 0;
}

static void what_stops_past_the_cache_goes_on(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *bytes = aligned_alloc(4096, SIZE / 2);
	AUTO(freep) char *back = aligned_alloc(4096, SIZE / 2);
	make_image("disk.img", SIZE);
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
	memset(bytes, 'x', SIZE / 2);
	n_direct = 0;
	is_short = true;
	bool whole = write_large(disk, 0, bytes, &err) && read_large(disk, 0, back, &err);
	is_short = false;
	assert_true(whole);
	assert_memory_equal(back, bytes, SIZE / 2);
	if (n_direct == 0)
		skip();
}

static void a_read_that_fails_past_the_cache_has_failed(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(freep) char *bytes = aligned_alloc(4096, SIZE / 2);
	make_image("disk.img", SIZE);
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", true);
	n_direct = 0;
	assert_true(read_large(disk, 0, bytes, &err));
	if (n_direct == 0)
		skip();
	direct_error = EIO;
	assert_io_error(read_large(disk, 0, bytes, &err), &err, "disk.img", "read");
}

/* Nor can it be helped: also not where room would help a write. */
static void a_flush_that_failed_is_the_last(void **state)
{
	(void)state;
	static const int errors[] = {EIO, ENOSPC, EDQUOT, ENODEV, ENXIO};
	AUTO(err_freep) struct err *err = NULL;
	char bytes[512] = {0};
	const struct iovec whole = {bytes, sizeof(bytes)};
	make_image("disk.img", SIZE);
	for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
		AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
		assert_true(disk->ops->write(disk, 0, &whole, 1, &err));
		sync_error = errors[i];
		assert_io_error(disk->ops->flush(disk, &err), &err, "disk.img", "flush");
		assert_io_error(disk->ops->flush(disk, &err), &err, "disk.img", "failed before");
		assert_io_error(disk->ops->write(disk, 0, &whole, 1, &err), &err, "disk.img", "failed before");
		assert_io_error(disk->ops->zero(disk, 0, 512, true, &err), &err, "disk.img", "failed before");
		assert_io_error(disk->ops->discard(disk, 0, 512, &err), &err, "disk.img", "failed before");
		assert_true(disk->ops->read(disk, 0, &whole, 1, &err));
	}
}

/* -1 where this user may have none. */
static int open_loop(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0 || errno == EPERM || errno == EACCES || errno == ENOENT);
	return fd;
}

/* The number that is free may be another's at once: the kernel says so, and has a new one. */
static int take_loop(int control, const struct loop_config *config, char *ret_path, size_t size)
{
	for (;;) {
		snprintf(ret_path, size, "/dev/loop%d", ioctl(control, LOOP_CTL_GET_FREE));
		int loop = open_loop(ret_path);
		if (loop < 0 || ioctl(loop, LOOP_CONFIGURE, config) == 0)
			return loop;
		assert_int_equal(errno, EBUSY);
		close(loop);
	}
}

/* A device that promises more than it has: an image without blocks on a full file system. It is gone when nobody has it
 * open. -1: this user may have none. */
static int make_thin_device(char *ret_path, size_t size)
{
	AUTO(file_closep) int control = open_loop("/dev/loop-control");
	if (control < 0)
		return -1;
	make_image("full/disk.img", SIZE / 2);
	AUTO(file_closep) int image = open("full/disk.img", O_RDWR | O_CLOEXEC);
	const struct loop_config config = {.fd = (uint32_t)image, .info.lo_flags = LO_FLAGS_AUTOCLEAR};
	return take_loop(control, &config, ret_path, size);
}

/* The kernel's own answer to the second fdatasync() is that all is well, and what was written is gone. */
static void room_does_not_bring_back_what_a_flush_lost(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	AUTO(file_closep) int room = full_disk_new();
	char bytes[4096] = {'x'}, path[64];
	AUTO(file_closep) int loop = room < 0 ? -1 : make_thin_device(path, sizeof(path));
	if (loop < 0)
		skip();
	AUTO(disk_freep) struct disk *disk = must_open(path, false);
	full_disk_fill(room);
	assert_true(disk->ops->write(disk, 0, &(struct iovec){bytes, sizeof(bytes)}, 1, &err));
	assert_io_error(disk->ops->flush(disk, &err), &err, path, "flush");
	full_disk_make_room(room);
	assert_io_error(disk->ops->flush(disk, &err), &err, path, "failed before");
}

/* A disk whose kernel takes a sector and cannot keep it: "NEW!" at its beginning. Skips where this user may have none.
 */
static struct disk *open_losing(char *path, size_t size, int *ret_room)
{
	AUTO(err_freep) struct err *err = NULL;
	*ret_room = full_disk_new();
	AUTO(file_closep) int loop = *ret_room < 0 ? -1 : make_thin_device(path, size);
	if (loop < 0)
		skip();
	struct disk *disk = must_open(path, false);
	full_disk_fill(*ret_room);
	assert_true(disk->ops->write(disk, 0, &(struct iovec){"NEW!", 4}, 1, &err));
	return disk;
}

static void assert_lost(struct disk *disk, const char *path, char *bytes)
{
	AUTO(err_freep) struct err *err = NULL;
	for (int i = 0; i < 2; i++) {
		memset(bytes, 'x', SIZE / 2);
		assert_true(read_large(disk, 0, bytes, &err));
		assert_memory_equal(bytes, "NEW!", 5);
	}
	assert_io_error(disk->ops->write(disk, 0, &(struct iovec){bytes, 512}, 1, &err), &err, path, "failed before");
	assert_io_error(disk->ops->flush(disk, &err), &err, path, "failed before");
}

/* Only the cache has it: who reads past that would read what was there before, and once be told of an error. */
static void what_the_kernel_lost_is_read_from_its_cache(void **state)
{
	(void)state;
	char path[64];
	AUTO(freep) char *bytes = aligned_alloc(4096, SIZE / 2);
	AUTO(file_closep) int room = -1;
	AUTO(disk_freep) struct disk *disk = open_losing(path, sizeof(path), &room);
	assert_lost(disk, path, bytes);
}

/* Also where somebody else was told, and nothing fails any more. */
static void what_the_kernel_lost_before_is_known(void **state)
{
	(void)state;
	char path[64];
	AUTO(freep) char *bytes = aligned_alloc(4096, SIZE / 2);
	AUTO(file_closep) int room = -1;
	AUTO(disk_freep) struct disk *disk = open_losing(path, sizeof(path), &room);
	AUTO(file_closep) int other = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(__real_fdatasync(other), -1);
	assert_lost(disk, path, bytes);
}

/* A large write is not charged with it, nor does it hide it. */
static void what_the_kernel_lost_ends_large_writes(void **state)
{
	(void)state;
	AUTO(err_freep) struct err *err = NULL;
	char path[64];
	AUTO(freep) char *bytes = aligned_alloc(4096, SIZE / 2);
	AUTO(file_closep) int room = -1;
	AUTO(disk_freep) struct disk *disk = open_losing(path, sizeof(path), &room);
	memset(bytes, 'x', SIZE / 2);
	assert_io_error(write_large(disk, 0, bytes, &err), &err, path, "write");
	assert_lost(disk, path, bytes);
}

static void what_is_no_disk_is_refused(void **state)
{
	(void)state;
	make_image("empty.img", 0);
	make_image("odd.img", 1000);
	assert_refused("no.img", false, ERR_NOT_FOUND, "No such file");
	assert_refused("empty.img", false, ERR_FAILED, "no disk");
	assert_refused("odd.img", false, ERR_FAILED, "no disk");
	assert_refused("/dev/null", false, ERR_FAILED, "neither");
	assert_refused(".", true, ERR_FAILED, "neither");
}

static void one_machine_at_a_time(void **state)
{
	(void)state;
	make_image("disk.img", SIZE);
	struct disk *writer = must_open("disk.img", false);
	assert_refused("disk.img", false, ERR_BUSY, "in use");
	assert_refused("disk.img", true, ERR_BUSY, "in use");
	disk_free(writer);
	AUTO(disk_freep) struct disk *reader = must_open("disk.img", true);
	AUTO(disk_freep) struct disk *other = must_open("disk.img", true);
	assert_refused("disk.img", false, ERR_BUSY, "in use");
}

/* -1 where the program is not there. */
static int run(char *const argv[])
{
	pid_t pid;
	int status;
	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return -1;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void qemu_is_refused(void **state)
{
	(void)state;
	char *const writing[] = {"qemu-io", "-f", "raw", "-c", "write 0 512", "disk.img", NULL};
	char *const reading[] = {"qemu-io", "-r", "-f", "raw", "-c", "read 0 512", "disk.img", NULL};
	make_image("disk.img", SIZE);
	if (run(writing) != 0)
		skip();
	AUTO(disk_freep) struct disk *disk = must_open("disk.img", false);
	assert_int_not_equal(run(writing), 0);
	disk_free(STEAL(&disk));
	disk = must_open("disk.img", true);
	assert_int_not_equal(run(writing), 0);
	assert_int_equal(run(reading), 0);
}

/* By the number in the file. A SIGTERM it may not have heard, or remove files of its own when it has. */
static void end_program(const char *pid_file)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(bytes_release) struct bytes text = {0};
	assert_true(file_read_all(pid_file, 100, &text, &err));
	bytes_u8(&text, 0);
	AUTO(file_closep) int program = pidfd_open((pid_t)strtol((const char *)text.data, NULL, 10), 0);
	assert_int_equal(pidfd_send_signal(program, SIGKILL, NULL, 0), 0);
	assert_int_equal(poll(&(struct pollfd){.fd = program, .events = POLLIN}, 1, -1), 1);
}

static void qemu_refuses_us(void **state)
{
	(void)state;
	make_image("disk.img", SIZE);
	AUTO(freep) char *folder = realpath(".", NULL);
	AUTO(freep) char *socket = file_format("%s/sock", folder);
	char *const serving[] = {"qemu-nbd", "-f", "raw", "-k", socket, "--fork", "--pid-file=pid", "disk.img", NULL};
	if (run(serving) != 0)
		skip();
	assert_refused("disk.img", false, ERR_BUSY, "in use");
	assert_refused("disk.img", true, ERR_BUSY, "in use");
	end_program("pid");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, folder_enter, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(vectors_are_read_and_written),
		TEST(an_image_that_shrinks_is_an_error),
		TEST(zeros_are_zeros),
		TEST(large_writes_and_small_ones_see_each_other),
		TEST(what_fails_past_the_cache_can_be_written_again),
		TEST(a_file_that_offers_no_such_way_takes_the_other),
		TEST(what_stops_past_the_cache_goes_on),
		TEST(a_read_that_fails_past_the_cache_has_failed),
		TEST(a_flush_that_failed_is_the_last),
		TEST(room_does_not_bring_back_what_a_flush_lost),
		TEST(what_the_kernel_lost_is_read_from_its_cache),
		TEST(what_the_kernel_lost_before_is_known),
		TEST(what_the_kernel_lost_ends_large_writes),
		TEST(what_is_no_disk_is_refused),
		TEST(one_machine_at_a_time),
		TEST(qemu_is_refused),
		TEST(qemu_refuses_us),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
