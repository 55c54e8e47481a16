/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which segments are the index: STATE/index/manifest, replaced by rename() under the lock STATE/index/lock, so that a
 * crash leaves the old set or the new one. A damaged manifest reads as an empty one.
 *
 *   "SLVRMANI" u16 version=1 u16 0 u64 next number u32 segments, each u64 number (oldest first)
 *   pack set of the l/ lists whose packs are all in these segments (k + 1 for seq)   sha256[32] of all before
 */
#pragma once

#include "storage/pack_set.h"

#define MANIFEST_MAX_SEGMENTS 1024u

struct manifest {
	uint64_t next;
	uint64_t *segments;
	size_t n_segments;
	struct pack_set applied;
};

void manifest_release(struct manifest *manifest);
/* ERR_CORRUPT. */
NODISCARD bool manifest_parse(struct span file, struct manifest *ret, struct err **errp);
/* Empty when missing or damaged. */
NODISCARD bool manifest_load(const char *folder, struct manifest *ret, struct err **errp);
NODISCARD bool manifest_save(const char *folder, const struct manifest *manifest, struct err **errp);
NODISCARD bool manifest_append(struct manifest *manifest, uint64_t number, struct err **errp);
/* False without an error when it is not in it. */
bool manifest_has(const struct manifest *manifest, uint64_t number);
void manifest_drop(struct manifest *manifest, uint64_t number);
/* Waits for its turn. */
NODISCARD bool manifest_lock(const char *folder, int *ret_fd, struct err **errp);
