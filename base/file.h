/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that survive a power cut. "Durable" means: the bytes and the name are on the disk when it returns.
 * Errors name the path. All may block on the disk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/bytes.h"
#include "base/compiler.h"

struct err;

/* AUTO release for a file descriptor that is -1 when it is not open. */
void file_closep(int *fd);

/* Reads a whole regular file; ERR_CORRUPT beyond max bytes. The caller ends *ret with bytes_release(). */
NODISCARD bool file_read_all(const char *path, size_t max, struct bytes *ret, struct err **errp);
/* pread/pwrite until all is done. A short read is ERR_CORRUPT. `name` is for messages. */
NODISCARD bool file_read_at(int fd, void *data, size_t len, uint64_t offset, const char *name, struct err **errp);
NODISCARD bool file_write_at(int fd, const void *data, size_t len, uint64_t offset, const char *name,
			     struct err **errp);
/* A second descriptor of the same file, whatever has its name by now, to read or write as fd does, past the page cache;
 * -1 where that is not to be had. */
int file_open_direct(int fd);
/*
 * As file_write_at(), but large parts that lie on pages, in memory and in the file, go through `direct`, past the page
 * cache. direct is -1, or from file_open_direct() for the same file. What it cannot write goes through fd.
 */
NODISCARD bool file_write_past_cache(int fd, int direct, const void *data, size_t len, uint64_t offset,
				     const char *name, struct err **errp);

/*
 * Durable, create-once: folder/name appears whole or not at all, through a temporary file in tmp_folder on the same
 * file system, fsync and link(); where link() is not to be had, renameat2(RENAME_NOREPLACE). ERR_EXISTS when the
 * name is taken by other bytes; the same bytes count as ours, and it returns true.
 */
NODISCARD bool file_create_once(const char *folder, const char *name, const char *tmp_folder, struct span body,
				mode_t mode, struct err **errp);
/* Durable replacement of path by rename(). */
NODISCARD bool file_replace(const char *path, struct span body, mode_t mode, struct err **errp);
/* fsync of a folder. */
NODISCARD bool file_sync_folder(const char *path, struct err **errp);
/* mkdir -p with mode for new folders; durable. */
NODISCARD bool file_make_folders(const char *path, mode_t mode, struct err **errp);
/* An exclusive flock on path, made when missing, held until the descriptor closes. ERR_BUSY when somebody else has it.
 */
NODISCARD bool file_lock(const char *path, int *ret_fd, struct err **errp);
/* A new string; NULL on lack of memory. */
char *file_join(const char *folder, const char *name);
/* The path from the root on, whether anything is there or not: a new string; NULL where the working folder has no path,
 * or on lack of memory. */
char *file_absolute(const char *path);
/* printf into a new string; NULL on lack of memory. */
char *file_format(const char *format, ...) PRINTF_LIKE(1, 2);
