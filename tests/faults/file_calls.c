/* SPDX-License-Identifier: Apache-2.0 */
/* The calls on files that a program makes that is built for 64-bit offsets. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/faults/faults.h"

/* What the C library's checked headers make of read() and pread(); it declares them nowhere. */
ssize_t __read_chk(int fd, void *data, size_t len, size_t room);
ssize_t __pread64_chk(int fd, void *data, size_t len, off64_t offset, size_t room);

/* The path of a descriptor; "" when it has none. Not by our own calls. */
static void path_of(int fd, char path[PATH_MAX])
{
	char link[64];
	snprintf(link, sizeof(link), fd == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", fd);
	ssize_t length = readlink(link, path, PATH_MAX - 1);
	path[length < 0 ? 0 : length] = '\0';
}

static enum fault on_fd(enum fault_kind kind, const char *call, int fd)
{
	char path[PATH_MAX];
	if (!fault_armed())
		return FAULT_NONE;
	path_of(fd, path);
	return fault_under(path) ? fault_next(kind, call, path) : FAULT_NONE;
}

static enum fault on_path_at(enum fault_kind kind, const char *call, int folder, const char *name)
{
	char path[PATH_MAX];
	if (!fault_armed())
		return FAULT_NONE;
	if (name[0] != '/') {
		path_of(folder, path);
		size_t length = strlen(path);
		snprintf(path + length, sizeof(path) - length, "/%s", name);
		name = path;
	}
	return fault_under(name) ? fault_next(kind, call, name) : FAULT_NONE;
}

static enum fault on_path(enum fault_kind kind, const char *call, const char *name)
{
	return on_path_at(kind, call, AT_FDCWD, name);
}

/* A part that is not aligned: what is then left cannot go past the page cache. */
static size_t part_of(size_t len, enum fault fault)
{
	return fault == FAULT_SHORT && len > 1 ? len / 2 + len % 2 : len;
}

/* ---- data -----------------------------------------------------------------------------------------------------------
 */

#define DATA_CALL(kind, name, parameters, arguments)                    \
	ssize_t name parameters                                         \
	{                                                               \
		enum fault fault = on_fd(kind, __func__, fd);           \
		size_t part = part_of(len, fault);                      \
		return fault == FAULT_FAIL ? -1 : REAL(name) arguments; \
	}

DATA_CALL(FAULT_WRITE, write, (int fd, const void *data, size_t len), (fd, data, part))
DATA_CALL(FAULT_WRITE, pwrite64, (int fd, const void *data, size_t len, off64_t at), (fd, data, part, at))
DATA_CALL(FAULT_READ, read, (int fd, void *data, size_t len), (fd, data, part))
DATA_CALL(FAULT_READ, pread64, (int fd, void *data, size_t len, off64_t at), (fd, data, part, at))
DATA_CALL(FAULT_READ, __read_chk, (int fd, void *data, size_t len, size_t room), (fd, data, part, room))
DATA_CALL(FAULT_READ, __pread64_chk, (int fd, void *data, size_t len, off64_t at, size_t room),
	  (fd, data, part, at, room))

/* ---- all others ---- */

#define CALL(type, failed, name, parameters, arguments, next) \
	FAULT_CALL(type, failed, name, parameters, arguments, next, (void)0)

CALL(int, -1, fsync, (int fd), (fd), on_fd(FAULT_SYNC, __func__, fd))
CALL(int, -1, fdatasync, (int fd), (fd), on_fd(FAULT_SYNC, __func__, fd))
CALL(int, -1, sync_file_range, (int fd, off64_t at, off64_t len, unsigned flags), (fd, at, len, flags),
     on_fd(FAULT_SYNC, __func__, fd))

CALL(int, -1, ftruncate64, (int fd, off64_t size), (fd, size), on_fd(FAULT_SIZE, __func__, fd))
/* It says what is wrong by its result. */
CALL(int, errno, posix_fallocate64, (int fd, off64_t at, off64_t len), (fd, at, len), on_fd(FAULT_SIZE, __func__, fd))

CALL(int, -1, link, (const char *from, const char *to), (from, to), on_path(FAULT_LINK, __func__, to))
CALL(int, -1, symlink, (const char *from, const char *to), (from, to), on_path(FAULT_LINK, __func__, to))
CALL(int, -1, rename, (const char *from, const char *to), (from, to), on_path(FAULT_RENAME, __func__, to))
CALL(int, -1, renameat2, (int folder, const char *from, int to_folder, const char *to, unsigned flags),
     (folder, from, to_folder, to, flags), on_path_at(FAULT_RENAME, __func__, to_folder, to))
CALL(int, -1, unlink, (const char *path), (path), on_path(FAULT_UNLINK, __func__, path))
CALL(int, -1, unlinkat, (int folder, const char *name, int flags), (folder, name, flags),
     on_path_at(FAULT_UNLINK, __func__, folder, name))
CALL(int, -1, rmdir, (const char *path), (path), on_path(FAULT_UNLINK, __func__, path))

CALL(int, -1, mkdir, (const char *path, mode_t mode), (path, mode), on_path(FAULT_FOLDER, __func__, path))
CALL(char *, NULL, mkdtemp, (char *pattern), (pattern), on_path(FAULT_FOLDER, __func__, pattern))
CALL(int, -1, chmod, (const char *path, mode_t mode), (path, mode), on_path(FAULT_MODE, __func__, path))
CALL(int, -1, fchmod, (int fd, mode_t mode), (fd, mode), on_fd(FAULT_MODE, __func__, fd))
CALL(int, -1, chown, (const char *path, uid_t user, gid_t group), (path, user, group),
     on_path(FAULT_MODE, __func__, path))

CALL(int, -1, mkostemp64, (char *pattern, int flags), (pattern, flags), on_path(FAULT_OPEN, __func__, pattern))
CALL(FILE *, NULL, fopen64, (const char *path, const char *mode), (path, mode), on_path(FAULT_OPEN, __func__, path))
CALL(DIR *, NULL, opendir, (const char *path), (path), on_path(FAULT_OPEN, __func__, path))
CALL(int, -1, flock, (int fd, int operation), (fd, operation), on_fd(FAULT_LOCK, __func__, fd))
CALL(void *, MAP_FAILED, mmap64, (void *address, size_t len, int protection, int flags, int fd, off64_t at),
     (address, len, protection, flags, fd, at), fd < 0 ? FAULT_NONE : on_fd(FAULT_MAP, __func__, fd))

/* The mode is there when a file may be made. */
static mode_t mode_of(int flags, va_list args)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return on_path(FAULT_OPEN, __func__, path) ? -1 : REAL(open64)(path, flags, mode);
}

int openat64(int folder, const char *name, int flags, ...)
{
	va_list args;
	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return on_path_at(FAULT_OPEN, __func__, folder, name) ? -1 : REAL(openat64)(folder, name, flags, mode);
}
