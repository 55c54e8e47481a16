/* SPDX-License-Identifier: Apache-2.0 */
/* Any file as a kernel, and as its initrd, in machines of several sizes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/file.h"
#include "hypervisor/thin/guest_memory.h"
#include "hypervisor/thin/linux_boot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RSDP = 0xe0000 };

static void place(const struct linux_boot *boot, uint64_t mib)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(guest_memory_freep) struct guest_memory *memory = guest_memory_new(mib << 20, &err);
	struct vcpu_long_mode entry;
	if (memory && linux_boot_place(boot, memory, RSDP, &entry, &err) &&
	    !guest_memory_for_reading(memory, entry.rip, 1))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(err_freep) struct err *err = NULL;
	AUTO(file_closep) int fd = memfd_create("kernel", MFD_CLOEXEC);
	char path[64];
	if (size < 1 || fd < 0 || !file_write_at(fd, data + 1, size - 1, 0, "kernel", &err))
		return 0;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	const struct linux_boot_options options = {
		.kernel = path, .initrd = data[0] & 1 ? path : NULL, .command_line = "console=ttyS0"};
	AUTO(linux_boot_freep) struct linux_boot *boot = linux_boot_new(&options, &err);
	if (boot)
		place(boot, 16 + (data[0] >> 1));
	return 0;
}
