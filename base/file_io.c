/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file_io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

ssize_t file_io_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return TEMP_FAILURE_RETRY(pwrite(fd, data, len, offset));
}

int file_io_fsync(int fd)
{
	return (int)TEMP_FAILURE_RETRY(fsync(fd));
}

int file_io_link(const char *from, const char *to)
{
	return link(from, to);
}

int file_io_rename_new(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
}

int file_io_rename(const char *from, const char *to)
{
	return rename(from, to);
}

int file_io_mkdir(const char *path, mode_t mode)
{
	return mkdir(path, mode);
}
