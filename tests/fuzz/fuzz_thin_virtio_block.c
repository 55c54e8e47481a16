/* SPDX-License-Identifier: Apache-2.0 */
/* The rings and requests of a disk, over a file in memory; see virtio_fuzz.h. */
#include <assert.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/disk.h"
#include "hypervisor/thin/virtio_block.h"
#include "tests/hypervisor/thin/virtio_driver.h"
#include "tests/hypervisor/thin/virtio_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DISK_SIZE = 64 << 10 };

static struct driver driver;

static struct disk *open_disk(void)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(file_closep) int fd = memfd_create("disk", MFD_CLOEXEC);
	char path[64];
	int truncated = ftruncate(fd, DISK_SIZE);
	assert(truncated == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct disk *disk = disk_open_raw("vda", path, false, &err);
	assert(disk);
	return disk;
}

static void set_up(void)
{
	AUTO(err_freep) struct err *err = NULL;
	driver_init_with(&driver, VIRTIO_FUZZ_MEMORY);
	struct virtio_block *block = virtio_block_new(&driver.board, open_disk(), &err);
	assert(block);
	driver_attach(&driver, virtio_block_device(block));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!driver.device)
		set_up();
	virtio_fuzz(&driver, data, size);
	assert(driver.troubles == 0);
	return 0;
}
