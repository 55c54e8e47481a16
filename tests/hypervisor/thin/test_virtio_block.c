/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a driver over a real file; and over a file that has no room. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/disk.h"
#include "hypervisor/thin/virtio_block.h"
#include "hypervisor/thin/worker.h"
#include "tests/folder.h"
#include "tests/full_disk.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK = 0, FAILED = 1, UNSUPPORTED = 2, NO_STATUS = 0xee };
enum { RING = 16, DISK_SIZE = 1 << 20 };
#define HEADER DRIVER_BUFFERS
#define STATUS (DRIVER_BUFFERS + 0x800)
#define DATA (DRIVER_BUFFERS + 0x1000)
#define FEATURE_FLUSH (UINT64_C(1) << 9)

struct fixture {
	struct driver driver;
	struct virtio_block *block;
};

static struct virtio_block *open_block(struct driver *driver, bool read_only)
{
	AUTO(err_freep) struct err *err = NULL;
	struct disk *disk = disk_open_raw("vda", "disk.img", read_only, &err);
	struct virtio_block *block = disk ? virtio_block_new(&driver->board, disk, &err) : NULL;
	if (!block)
		fail_msg("%s", err_message(err));
	return block;
}

static void start(struct fixture *fixture, bool read_only, uint64_t features)
{
	fixture->block = open_block(&fixture->driver, read_only);
	driver_attach(&fixture->driver, virtio_block_device(fixture->block));
	driver_bring_up(&fixture->driver, features, RING);
}

static struct fixture fixture_of_test;

static int set_up(void **state)
{
	if (folder_enter(state) != 0)
		return -1;
	AUTO(file_closep) int fd = open("disk.img", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (ftruncate(fd, DISK_SIZE) != 0)
		return -1;
	memset(&fixture_of_test, 0, sizeof(fixture_of_test));
	driver_init(&fixture_of_test.driver);
	return 0;
}

static int tear_down(void **state)
{
	driver_stop_worker(&fixture_of_test.driver);
	virtio_block_free(fixture_of_test.block);
	driver_release(&fixture_of_test.driver);
	return folder_leave(state);
}

static void write_header(struct driver *driver, uint32_t type, uint64_t sector)
{
	uint8_t header[16] = {0};
	uint8_t status = NO_STATUS;
	bytes_store_le32(header, type);
	bytes_store_le64(header + 8, sector);
	driver_write(driver, HEADER, header, sizeof(header));
	driver_write(driver, STATUS, &status, 1);
}

/* A request as Linux lays it out: header, data, status. */
static void add_request(struct driver *driver, uint32_t type, uint64_t sector, uint32_t data, uint16_t flags)
{
	struct driver_buffer buffers[3] = {{HEADER, 16, DRIVER_READS}};
	size_t n = 1;
	write_header(driver, type, sector);
	if (data > 0)
		buffers[n++] = (struct driver_buffer){DATA, data, flags};
	buffers[n++] = (struct driver_buffer){STATUS, 1, DRIVER_WRITES};
	driver_add(driver, 0, buffers, n);
}

static uint8_t request(struct driver *driver, uint32_t type, uint64_t sector, uint32_t data, uint16_t flags)
{
	uint16_t head;
	uint32_t length;
	add_request(driver, type, sector, data, flags);
	driver_serve(driver, 0);
	if (!driver_take_used(driver, 0, &head, &length))
		return NO_STATUS;
	return driver_byte(driver, STATUS);
}

static uint8_t range_request(struct driver *driver, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	uint8_t range[16];
	bytes_store_le64(range, sector);
	bytes_store_le32(range + 8, sectors);
	bytes_store_le32(range + 12, flags);
	driver_write(driver, DATA, range, sizeof(range));
	return request(driver, type, 0, sizeof(range), DRIVER_READS);
}

static void fill(struct driver *driver, uint8_t value, size_t size)
{
	uint8_t *at = guest_memory_for_writing(driver->memory, DATA, size);
	memset(at, value, size);
}

static bool file_is(uint8_t value, off_t offset, size_t size)
{
	uint8_t bytes[8192];
	AUTO(file_closep) int fd = open("disk.img", O_RDONLY | O_CLOEXEC);
	assert_true(size <= sizeof(bytes));
	assert_int_equal(pread(fd, bytes, size, offset), size);
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	start(&fixture_of_test, false, FEATURE_FLUSH);
	fill(driver, 0x5a, 4096);
	assert_int_equal(request(driver, OUT, 8, 4096, DRIVER_READS), OK);
	assert_true(file_is(0x5a, 4096, 4096));
	assert_true(file_is(0, 0, 4096));
	assert_true(file_is(0, 8192, 4096));
	fill(driver, 0, 4096);
	assert_int_equal(request(driver, IN, 9, 1024, DRIVER_WRITES), OK);
	assert_int_equal(driver_byte(driver, DATA), 0x5a);
	assert_int_equal(driver_byte(driver, DATA + 1023), 0x5a);
	assert_int_equal(driver_byte(driver, DATA + 1024), 0);
	assert_true(guest_memory_take_written(driver->memory, DATA));
	assert_int_equal(request(driver, FLUSH, 0, 0, 0), OK);
	assert_int_equal(driver->used[0], 3);
}

/* All in three buffers, as firmware may; and every piece cut in the middle. */
static void buffers_may_be_cut_anywhere(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	start(&fixture_of_test, false, FEATURE_FLUSH);
	struct driver_buffer out[] = {{HEADER, 3, DRIVER_READS},
				      {HEADER + 3, 13, DRIVER_READS},
				      {DATA, 100, DRIVER_READS},
				      {DATA + 100, 924, DRIVER_READS},
				      {STATUS, 1, DRIVER_WRITES}};
	struct driver_buffer in[] = {
		{HEADER, 16, DRIVER_READS}, {DATA, 700, DRIVER_WRITES}, {DATA + 700, 325, DRIVER_WRITES}};
	uint16_t head;
	uint32_t length;
	fill(driver, 0x77, 1024);
	write_header(driver, OUT, 2);
	driver_add(driver, 0, out, 5);
	driver_serve(driver, 0);
	assert_true(driver_take_used(driver, 0, &head, &length));
	assert_int_equal(driver_byte(driver, STATUS), OK);
	assert_int_equal(length, 1);
	assert_true(file_is(0x77, 1024, 1024));
	fill(driver, 0x11, 2048);
	write_header(driver, IN, 2);
	driver_add(driver, 0, in, 3);
	driver_serve(driver, 0);
	assert_true(driver_take_used(driver, 0, &head, &length));
	assert_int_equal(length, 1025);
	assert_int_equal(driver_byte(driver, DATA + 1023), 0x77);
	assert_int_equal(driver_byte(driver, DATA + 1024), OK); /* the last byte is the status */
	assert_int_equal(driver_byte(driver, DATA + 1025), 0x11);
}

static void what_is_not_on_the_disk_fails(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	const uint64_t sectors = DISK_SIZE / 512;
	start(&fixture_of_test, false, FEATURE_FLUSH);
	assert_int_equal(request(driver, IN, sectors - 1, 512, DRIVER_WRITES), OK);
	assert_int_equal(request(driver, IN, sectors - 1, 1024, DRIVER_WRITES), FAILED);
	assert_int_equal(request(driver, IN, sectors, 512, DRIVER_WRITES), FAILED);
	assert_int_equal(request(driver, OUT, UINT64_MAX, 512, DRIVER_READS), FAILED);
	assert_int_equal(request(driver, OUT, UINT64_MAX / 512 + 1, 512, DRIVER_READS), FAILED);
	assert_int_equal(request(driver, IN, 0, 100, DRIVER_WRITES), FAILED);
	assert_int_equal(request(driver, 99, 0, 512, DRIVER_READS), UNSUPPORTED);
	assert_int_equal(driver->misuses, 0);
}

static uint32_t used_length(struct driver *driver, uint32_t type, uint32_t data, uint8_t status)
{
	uint16_t head;
	uint32_t length;
	add_request(driver, type, 0, data, DRIVER_WRITES);
	driver_serve(driver, 0);
	assert_true(driver_take_used(driver, 0, &head, &length));
	assert_int_equal(driver_byte(driver, STATUS), status);
	return length;
}

/* A driver hands out as many bytes as it is told of: none that may still be what was there before. */
static void the_used_length_ends_where_nothing_was_written(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	start(&fixture_of_test, false, FEATURE_FLUSH);
	assert_int_equal(used_length(driver, IN, 512, OK), 513);
	assert_int_equal(used_length(driver, GET_ID, 20, OK), 21);
	assert_int_equal(used_length(driver, GET_ID, 100, OK), 20);
	assert_int_equal(used_length(driver, FLUSH, 0, OK), 1);
	assert_int_equal(used_length(driver, FLUSH, 512, OK), 0);
	assert_int_equal(used_length(driver, OUT, 0, OK), 1);
	assert_int_equal(used_length(driver, OUT, 512, OK), 0);
	assert_int_equal(used_length(driver, DISCARD, 512, OK), 0);
	assert_int_equal(used_length(driver, 99, 512, UNSUPPORTED), 0);
	assert_int_equal(used_length(driver, IN, 100, FAILED), 0);
	assert_int_equal(truncate("disk.img", 512), 0);
	assert_int_equal(used_length(driver, IN, 1024, FAILED), 0);
}

static void it_says_its_name(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	char id[21] = {0};
	start(&fixture_of_test, false, FEATURE_FLUSH);
	assert_int_equal(request(driver, GET_ID, 0, 20, DRIVER_WRITES), OK);
	driver_read(driver, DATA, id, 20);
	assert_string_equal(id, "vda");
	assert_int_equal(request(driver, GET_ID, 0, 2, DRIVER_WRITES), OK);
}

static blkcnt_t blocks_of_file(void)
{
	struct stat stat_of;
	assert_int_equal(stat("disk.img", &stat_of), 0);
	return stat_of.st_blocks;
}

static void room_is_given_up(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	start(&fixture_of_test, false, FEATURE_FLUSH);
	fill(driver, 0x42, 65536);
	assert_int_equal(request(driver, OUT, 0, 65536, DRIVER_READS), OK);
	blkcnt_t before = blocks_of_file();
	assert_int_equal(range_request(driver, DISCARD, 0, 64, 0), OK);
	assert_int_equal(range_request(driver, DISCARD, 0, 64, 1), UNSUPPORTED);
	assert_true(blocks_of_file() < before);
	assert_int_equal(range_request(driver, WRITE_ZEROES, 64, 1, 0), OK);
	assert_true(file_is(0, 64 * 512, 512));
	assert_true(file_is(0x42, 65 * 512, 512));
	assert_int_equal(range_request(driver, WRITE_ZEROES, 64, 64, 1), OK);
	assert_true(file_is(0, 64 * 512, 8192));
	assert_int_equal(range_request(driver, WRITE_ZEROES, 64, 64, 2), UNSUPPORTED);
	assert_int_equal(range_request(driver, WRITE_ZEROES, DISK_SIZE / 512, 1, 1), FAILED);
	assert_int_equal(range_request(driver, DISCARD, UINT64_MAX, 2, 0), FAILED);
	assert_int_equal(range_request(driver, DISCARD, 0, UINT32_MAX, 0), FAILED);
	assert_int_equal(request(driver, DISCARD, 0, 17, DRIVER_READS), FAILED);
	assert_int_equal(request(driver, DISCARD, 0, 33 * 16, DRIVER_READS), FAILED);
}

/* 2 GiB are discarded, or 32 MiB zeroed, by one request. */
static void no_request_is_for_long(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	uint8_t ranges[32 * 16];
	assert_int_equal(truncate("disk.img", INT64_C(4) << 30), 0);
	start(&fixture_of_test, false, FEATURE_FLUSH);
	const uint8_t *config = driver->device->config;
	assert_true((uint64_t)bytes_load_le32(config + 36) * bytes_load_le32(config + 40) * 512 <= UINT64_C(2) << 30);
	assert_true((uint64_t)bytes_load_le32(config + 48) * bytes_load_le32(config + 52) * 512 <= 32 << 20);
	assert_int_equal(range_request(driver, WRITE_ZEROES, 0, 65536, 1), OK);
	assert_int_equal(range_request(driver, WRITE_ZEROES, 0, 65537, 1), FAILED);
	assert_int_equal(range_request(driver, DISCARD, 0, 131072, 0), OK);
	assert_int_equal(range_request(driver, DISCARD, 0, 131073, 0), FAILED);
	for (size_t i = 0; i < sizeof(ranges); i += 16) {
		bytes_store_le64(ranges + i, 0);
		bytes_store_le64(ranges + i + 8, 1);
	}
	driver_write(driver, DATA, ranges, sizeof(ranges));
	assert_int_equal(request(driver, DISCARD, 0, sizeof(ranges), DRIVER_READS), OK);
	assert_int_equal(request(driver, WRITE_ZEROES, 0, 32, DRIVER_READS), FAILED);
	assert_int_equal(request(driver, WRITE_ZEROES, 0, 16, DRIVER_READS), OK);
}

static void a_read_only_disk_stays_as_it_is(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	start(&fixture_of_test, true, FEATURE_FLUSH);
	fill(driver, 1, 512);
	assert_true(driver->device->offered & UINT64_C(1) << 5);
	assert_false(driver->device->offered & UINT64_C(1) << 13);
	assert_int_equal(request(driver, OUT, 0, 512, DRIVER_READS), FAILED);
	assert_int_equal(range_request(driver, WRITE_ZEROES, 0, 1, 0), FAILED);
	assert_int_equal(range_request(driver, DISCARD, 0, 1, 0), FAILED);
	assert_int_equal(request(driver, IN, 0, 512, DRIVER_WRITES), OK);
	assert_int_equal(request(driver, FLUSH, 0, 0, 0), OK);
	assert_true(file_is(0, 0, 512));
}

static void requests_without_a_status_are_a_misuse(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	start(&fixture_of_test, false, FEATURE_FLUSH);
	write_header(driver, IN, 0);
	driver_add(driver, 0, &(struct driver_buffer){HEADER, 16, DRIVER_READS}, 1);
	driver_serve(driver, 0);
	assert_int_equal(driver->misuses, 1);
	assert_non_null(strstr(driver->sentence, "disk vda"));
	driver_bring_up(driver, 0, RING);
	assert_false(driver->device->state.status & VIRTIO_STATUS_NEEDS_RESET);
	struct driver_buffer no_header[] = {{HEADER, 15, DRIVER_READS}, {STATUS, 1, DRIVER_WRITES}};
	driver_add(driver, 0, no_header, 2);
	driver_serve(driver, 0);
	assert_true(driver->device->state.status & VIRTIO_STATUS_NEEDS_RESET);
	assert_int_equal(request(driver, IN, 0, 512, DRIVER_WRITES), NO_STATUS); /* it waits for a reset */
}

static void assert_held(struct driver *driver, unsigned times)
{
	uint16_t head;
	uint32_t length;
	driver_serve(driver, 0);
	assert_int_equal(driver->troubles, times);
	assert_false(driver_take_used(driver, 0, &head, &length));
	assert_int_equal(driver_byte(driver, STATUS), NO_STATUS);
}

/* Of which a part finds room. */
static void without_room_a_request_is_held(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	uint16_t head;
	uint32_t length;
	AUTO(file_closep) int disk = full_disk_new();
	if (disk < 0)
		skip();
	assert_int_equal(chdir("full"), 0);
	AUTO(file_closep) int fd = open("disk.img", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
	assert_int_equal(posix_fallocate(fd, 0, 64 << 10), 0);
	full_disk_fill(disk);
	start(&fixture_of_test, false, FEATURE_FLUSH);
	fill(driver, 0x61, 128 << 10);
	add_request(driver, OUT, 0, 128 << 10, DRIVER_READS);
	assert_held(driver, 1);
	assert_non_null(strstr(driver->sentence, "disk vda"));
	assert_non_null(strstr(driver->sentence, "disk.img"));
	assert_non_null(strstr(driver->sentence, "No space left on device; make room"));
	assert_held(driver, 2); /* gone on without help */
	full_disk_make_room(disk);
	driver_serve(driver, 0);
	assert_true(driver_take_used(driver, 0, &head, &length));
	assert_int_equal(driver_byte(driver, STATUS), OK);
	assert_true(file_is(0x61, 120 << 10, 8192));
}

static void a_worker_serves_many_requests(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	uint16_t head;
	uint32_t length;
	start(&fixture_of_test, false, FEATURE_FLUSH | VIRTIO_FEATURE_EVENT_INDEX);
	driver_start_worker(driver, JAIL_DISK);
	for (unsigned i = 0; i < 2000; i++) {
		fill(driver, (uint8_t)i, 512);
		/* Interrupts for the next entry, as Linux asks for them. */
		assert_true(guest_memory_store16(driver->memory, driver_available(0) + 4 + 2 * RING, (uint16_t)i));
		add_request(driver, i % 3 == 2 ? FLUSH : OUT, i % 64, i % 3 == 2 ? 0 : 512, DRIVER_READS);
		virtio_kick(driver->device, 0);
		driver_wait_interrupts(driver, 0, i + 1);
		assert_true(driver_take_used(driver, 0, &head, &length));
		assert_int_equal(driver_byte(driver, STATUS), OK);
	}
	worker_park(driver->worker);
	assert_int_equal(driver->used[0], 2000);
}

/* One at least, also of a worker that is asked to park again and again. */
static void a_worker_parks_between_two_requests(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	uint16_t head;
	uint32_t length;
	start(&fixture_of_test, false, FEATURE_FLUSH);
	driver_make_worker(driver,
			   JAIL_DISK); /* parked: it shall stop, as one that is asked to in the middle of a request */
	for (int i = 0; i < 4; i++)
		add_request(driver, FLUSH, 0, 0, 0);
	driver_serve(driver, 0);
	assert_true(driver_take_used(driver, 0, &head, &length));
	assert_false(driver_take_used(driver, 0, &head, &length));
	worker_go_on(driver->worker);
	driver_wait_used(driver, 0, 3);
}

/* A reset that comes from another thread waits for the request in flight, and nothing is written behind it. */
static void a_reset_waits_for_the_request(void **state)
{
	(void)state;
	struct driver *driver = &fixture_of_test.driver;
	start(&fixture_of_test, false, FEATURE_FLUSH);
	driver_start_worker(driver, JAIL_DISK);
	for (int i = 0; i < 300; i++) {
		add_request(driver, IN, 0, 65536, DRIVER_WRITES);
		virtio_kick(driver->device, 0);
		pthread_mutex_lock(&driver->device->lock);
		virtio_set_status(driver->device, 0);
		pthread_mutex_unlock(&driver->device->lock);
		fill(driver, 0x33, 65536);
		assert_int_equal(driver_byte(driver, DATA + 65535), 0x33);
		driver_bring_up(driver, FEATURE_FLUSH, RING);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read),
		TEST(buffers_may_be_cut_anywhere),
		TEST(what_is_not_on_the_disk_fails),
		TEST(the_used_length_ends_where_nothing_was_written),
		TEST(it_says_its_name),
		TEST(room_is_given_up),
		TEST(no_request_is_for_long),
		TEST(a_worker_parks_between_two_requests),
		TEST(a_read_only_disk_stays_as_it_is),
		TEST(requests_without_a_status_are_a_misuse),
		TEST(without_room_a_request_is_held),
		TEST(a_worker_serves_many_requests),
		TEST(a_reset_waits_for_the_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
