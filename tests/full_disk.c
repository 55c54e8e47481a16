/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/full_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/file.h"
#include "tests/unit.h"

enum { PAGE = 4096 };

int full_disk_new(void)
{
	AUTO(file_closep) int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (context < 0 && errno == EPERM)
		return -1;
	assert_true(context >= 0);
	assert_int_equal(fsconfig(context, FSCONFIG_SET_STRING, "size", "1m", 0), 0);
	assert_int_equal(fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0), 0);
	int disk = fsmount(context, FSMOUNT_CLOEXEC, 0);
	assert_true(disk >= 0);
	AUTO(freep) char *place = file_format("/proc/self/fd/%d", disk);
	assert_int_equal(symlink(place, "full"), 0);
	return disk;
}

void full_disk_fill(int disk)
{
	static const char page[PAGE] = {1};
	AUTO(file_closep) int fd = openat(disk, "ballast", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	while (write(fd, page, sizeof(page)) > 0) {
	}
	assert_int_equal(errno, ENOSPC);
}

void full_disk_make_room(int disk)
{
	assert_int_equal(unlinkat(disk, "ballast", 0), 0);
}
