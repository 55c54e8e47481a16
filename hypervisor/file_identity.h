/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tells an image from another one that took its place, as a number. A start of the host, or another place for its
 * file system, changes nothing of it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILE_IDENTITY_START UINT64_C(0xcbf29ce484222325)

/* Adds the file itself, where and when it was made; with `written` its size and when it was last written to, too. Of a
 * device, and of what is not there, the path. */
uint64_t file_identity_add(uint64_t identity, const char *path, bool written);
uint64_t file_identity_add_bytes(uint64_t identity, const void *data, size_t length);
