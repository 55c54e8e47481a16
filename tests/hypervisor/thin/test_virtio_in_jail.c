/* SPDX-License-Identifier: Apache-2.0 */
/* The workers of virtio's devices need no system call that their role may not make, also where things go wrong: each in
 * a child. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/disk.h"
#include "hypervisor/thin/network.h"
#include "hypervisor/thin/virtio_block.h"
#include "hypervisor/thin/virtio_console.h"
#include "hypervisor/thin/virtio_net.h"
#include "hypervisor/thin/virtio_rng.h"
#include "tests/folder.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/unit.h"

enum { NO_JAIL = 77, BROKEN = 99, RING = 16, DISK_SIZE = 1 << 20, DATA = 4096, LARGE = 256 << 10 };
#define HEADER DRIVER_BUFFERS
#define STATUS (DRIVER_BUFFERS + 0x800)
#define BYTES (DRIVER_BUFFERS + 0x1000)

static struct driver driver;

static void end(struct err *err)
{
	fprintf(stderr, "%s\n", err_message(err));
	_exit(err_code(err) == ERR_UNSUPPORTED ? NO_JAIL : BROKEN);
}

static int compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Into the jail, and the device's worker begins there. */
static void enter(struct virtio_device *device, enum jail_role role)
{
	int kept[VIRTIO_DESCRIPTORS_MAX];
	struct err *err = NULL;
	driver_attach(&driver, device);
	size_t n = virtio_descriptors(device, kept);
	qsort(kept, n, sizeof(kept[0]), compare);
	const struct jail_options options = {.keep = kept, .n_keep = n};
	if (!jail_enter(&options, &err))
		end(err);
	driver_bring_up(&driver, 0, RING);
	driver_start_worker(&driver, role);
}

/* What the jail does not like ends a child with a sentence of the jail's own. */
static void try_in_jail(void (*what)(void))
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		driver_init(&driver);
		what();
		driver_stop_worker(&driver);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == NO_JAIL)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void serve(unsigned queue, const struct driver_buffer *buffers, size_t n)
{
	uint16_t head;
	uint32_t length;
	driver_add(&driver, queue, buffers, n);
	virtio_kick(driver.device, queue);
	driver_wait_used(&driver, queue, 1);
	if (!driver_take_used(&driver, queue, &head, &length))
		_exit(BROKEN);
}

static void request(uint32_t type, uint64_t sector, uint16_t flags)
{
	struct driver_buffer buffers[] = {{HEADER, 16, DRIVER_READS}, {BYTES, DATA, flags}, {STATUS, 1, DRIVER_WRITES}};
	uint8_t header[16] = {0}, range[16] = {0};
	bytes_store_le32(header, type);
	bytes_store_le64(header + 8, sector);
	bytes_store_le64(range, sector);
	bytes_store_le32(range + 8, 8);
	driver_write(&driver, HEADER, header, sizeof(header));
	driver_write(&driver, BYTES, range, sizeof(range));
	buffers[1].length = type == 11 || type == 13 ? sizeof(range) : DATA;
	serve(0, buffers, 3);
}

/* Past the page cache. */
static void large_request(uint32_t type, uint16_t flags)
{
	struct driver_buffer buffers[] = {
		{HEADER, 16, DRIVER_READS}, {BYTES, LARGE, flags}, {STATUS, 1, DRIVER_WRITES}};
	uint8_t header[16] = {0};
	bytes_store_le32(header, type);
	driver_write(&driver, HEADER, header, sizeof(header));
	serve(0, buffers, 3);
	if (driver_byte(&driver, STATUS) != 0)
		_exit(BROKEN);
}

static void use_disk(void)
{
	struct err *err = NULL;
	struct disk *disk = disk_open_raw("vda", "disk.img", false, &err);
	struct virtio_block *block = disk ? virtio_block_new(&driver.board, disk, &err) : NULL;
	if (!block || truncate("disk.img", DISK_SIZE / 2) != 0)
		end(err);
	enter(virtio_block_device(block), JAIL_DISK);
	request(1, 0, DRIVER_READS);
	request(0, 0, DRIVER_WRITES);
	request(4, 0, DRIVER_READS);
	request(8, 0, DRIVER_WRITES);
	request(11, 0, DRIVER_READS);
	request(13, 8, DRIVER_READS);
	large_request(1, DRIVER_READS);
	large_request(0, DRIVER_WRITES);
	request(0, DISK_SIZE / 512 - 8, DRIVER_WRITES); /* there is nothing there any more: it is logged */
	if (driver_byte(&driver, STATUS) != 1)
		_exit(BROKEN);
}

static void a_disk_is_served(void **state)
{
	(void)state;
	AUTO(file_closep) int fd = open("disk.img", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, DISK_SIZE), 0);
	try_in_jail(use_disk);
}

/* Behind the network is a socket whose other side has sent half a frame, and goes away. */
static struct network *open_network(int *ret_peer, struct err **errp)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "sock"};
	AUTO(file_closep) int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listening, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(listening, 1) != 0)
		_exit(BROKEN);
	struct network *network = network_open_passt("sock", errp);
	*ret_peer = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	return network;
}

static void use_network(void)
{
	static const uint8_t mac[6] = {2}, frame[] = {0, 0,  0,	 20, 1,	 2,  3,	 4,  5,	 6,  7,	 8,
						      9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20};
	struct err *err = NULL;
	int peer;
	struct network *network = open_network(&peer, &err);
	struct virtio_net *net = network ? virtio_net_new(&driver.board, "net0", mac, network, &err) : NULL;
	if (!net || write(peer, frame, sizeof(frame)) != sizeof(frame))
		end(err);
	enter(virtio_net_device(net), JAIL_NETWORK); /* which closes the other side */
	serve(0, &(struct driver_buffer){BYTES, 2048, DRIVER_WRITES}, 1);
	for (int i = 0; i < 3; i++)
		serve(1, &(struct driver_buffer){HEADER, 100, DRIVER_READS}, 1);
}

static void a_network_is_served(void **state)
{
	(void)state;
	try_in_jail(use_network);
}

static void hear(void *arg, const uint8_t *data, size_t size)
{
	(void)arg;
	(void)data;
	(void)size;
}

static void use_console(void)
{
	struct err *err = NULL;
	struct virtio_console *console = virtio_console_new(&driver.board, "port", &err);
	if (!console)
		end(err);
	virtio_console_listen(console, hear, NULL);
	enter(virtio_console_device(console), JAIL_SLOW);
	serve(3, &(struct driver_buffer){HEADER, 8, DRIVER_READS}, 1);
	serve(5, &(struct driver_buffer){BYTES, 10000, DRIVER_READS}, 1);
}

static void use_rng(void)
{
	struct err *err = NULL;
	struct virtio_rng *rng = virtio_rng_new(&driver.board, &err);
	if (!rng)
		end(err);
	enter(virtio_rng_device(rng), JAIL_SLOW);
	serve(0, &(struct driver_buffer){BYTES, 5000, DRIVER_WRITES}, 1);
}

static void slow_devices_are_served(void **state)
{
	(void)state;
	try_in_jail(use_console);
	try_in_jail(use_rng);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, folder_enter, folder_leave)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_disk_is_served),
		TEST(a_network_is_served),
		TEST(slow_devices_are_served),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
