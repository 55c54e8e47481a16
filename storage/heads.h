/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this machine remembers of a repository in repository_state_path(): the keyring it saw, each writer's newest
 * commit, the newest checkpoint. A thing that was seen and is gone is an alarm. Losing the memory is safe.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "storage/repository.h"

struct head {
	struct session_id session; /* of the newest commit seen of this writer */
	uint8_t point[HASH_SIZE];
};
_Static_assert(sizeof(struct head) == SESSION_SIZE + HASH_SIZE, "heads are compared as bytes");

struct heads {
	uint32_t keyring_n;
	uint8_t keyring_hash[HASH_SIZE];
	uint64_t checkpoint_x; /* 0: none seen */
	uint8_t checkpoint_hash[HASH_SIZE];
	uint64_t own_number; /* highest session number this identity registered from here */
	struct head *heads;
	size_t n;
};

/* An absent or damaged memory, and state_path NULL, read as empty; damage is for the caller to tell. */
NODISCARD bool heads_load(const char *state_path, struct heads *ret, bool *ret_damaged, struct err **errp);
/* Durable, atomic, under a lock of its own; merges with what another process wrote meanwhile (the newer wins). */
NODISCARD bool heads_save(const char *state_path, const struct heads *heads, struct err **errp);
void heads_release(struct heads *heads);
/* Remembers the commit when it is newer. */
NODISCARD bool heads_note(struct heads *heads, const struct session_id *session, const uint8_t point[HASH_SIZE],
			  struct err **errp);
