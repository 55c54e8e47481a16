/* SPDX-License-Identifier: Apache-2.0 */
#include "hypervisor/files/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/file.h"

/* Places in the kernel's line of numbers, see its Documentation/block/stat.rst. */
enum { WRITES_AT = 4, DISCARDS_AT = 11 };

/* Nobody else gets a device exclusively while it is mounted, or carries a volume. */
bool device_is_in_use(const char *path)
{
	AUTO(file_closep) int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC | O_NOCTTY);
	return fd < 0 && errno == EBUSY;
}

uint64_t device_count_writes(int fd, dev_t device)
{
	char path[64], line[512];
	uint64_t sum = 0;
	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(device), minor(device));
	FILE *stream = fsync(fd) == 0 ? fopen(path, "re") : NULL;
	if (!stream)
		return 0;
	char *at = fgets(line, sizeof(line), stream);
	fclose(stream);
	for (int i = 0; at && i <= DISCARDS_AT; i++) {
		uint64_t number = strtoull(at, &at, 10);
		sum += i == WRITES_AT || i == DISCARDS_AT ? number : 0;
	}
	return sum;
}
