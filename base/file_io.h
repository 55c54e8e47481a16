/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The few calls by which base/file changes the disk, each a function of its own, so that a test can put another in its
 * place and fail the one it wants. They behave as the system's, without EINTR.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

ssize_t file_io_pwrite(int fd, const void *data, size_t len, off_t offset);
int file_io_fsync(int fd);
int file_io_link(const char *from, const char *to);
/* Fails with EEXIST when `to` is there. */
int file_io_rename_new(const char *from, const char *to);
int file_io_rename(const char *from, const char *to);
int file_io_mkdir(const char *path, mode_t mode);
