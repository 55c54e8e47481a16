/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs that this machine remembers, each set a file in repository_state_path(): those that an interrupted scrub found
 * sound, and those that a scrub found damaged. A memory and no archive: a damaged or missing one reads as empty.
 */
#pragma once

#include "storage/pack_set.h"
#include "storage/repository.h"

/* What scrubs of a level found damaged. One that opens chunks finds what one that does not would forget again. */
#define PACK_MEMORY_DAMAGED_DIGESTS "damaged-digests"
#define PACK_MEMORY_DAMAGED_CONTENTS "damaged-contents"

struct pack_memory {
	uint64_t began_ns; /* 0: nothing is remembered */
	uint64_t bytes;	   /* of these packs */
	struct pack_set packs;
};

void pack_memory_release(struct pack_memory *memory);
NODISCARD bool pack_memory_load(const struct repository *repository, const char *name, struct pack_memory *ret,
				struct err **errp);
/* Durable and atomic. Does nothing where nothing is remembered of this repository. */
NODISCARD bool pack_memory_save(const struct repository *repository, const char *name, const struct pack_memory *memory,
				struct err **errp);
/* Adds all packs that scrubs of this machine found damaged. */
NODISCARD bool pack_memory_add_damaged(const struct repository *repository, struct pack_set *ret, struct err **errp);
NODISCARD bool pack_memory_forget(const struct repository *repository, const char *name, struct err **errp);
/* Parser of a file without its checksum, for fuzzing. ERR_CORRUPT. */
NODISCARD bool pack_memory_parse(struct span body, struct pack_memory *ret, struct err **errp);
