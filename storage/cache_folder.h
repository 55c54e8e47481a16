/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder of what is kept of far objects, bounded: after each sixteenth of the bound that a process adds it looks,
 * and from seven eighths of it on the files that were used least lately go, down to three quarters. So some processes
 * at once stay below the bound, too. Thread-safe; the folder may vanish at any time, and is made again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

struct err;
struct cache_folder;

NODISCARD struct cache_folder *cache_folder_new(const char *path, uint64_t max_bytes, struct err **errp);
void cache_folder_free(struct cache_folder *folder);
DEFINE_AUTO_FREE(struct cache_folder, cache_folder_free);
/* Where the file of an object is; a new string, NULL on lack of memory. */
char *cache_folder_path(const struct cache_folder *folder, const char *store, const char *object);
/* Makes the folder, which has gone or was never there. False when it cannot be made. */
bool cache_folder_make(const struct cache_folder *folder);
/* So many bytes are about to be added; may block for a look around. */
void cache_folder_note(struct cache_folder *folder, uint64_t bytes);
