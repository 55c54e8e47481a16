/* SPDX-License-Identifier: Apache-2.0 */
/* A set of packs, as a bitmap of seq for each session: what commits reference, and what collections condemn. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/compiler.h"
#include "storage/ids.h"

struct err;

/* Numbers of packs are below. */
#define PACK_SET_SEQ_MAX (1u << 24)

struct pack_set_session {
	struct session_id session;
	uint8_t *bits;
	size_t n_bytes;
};

/* Sessions ascend. Zero-initialised is empty. */
struct pack_set {
	struct pack_set_session *sessions;
	size_t n, capacity;
};

/* ERR_FAILED for a seq of 0 or beyond the maximum. */
NODISCARD bool pack_set_add(struct pack_set *set, const struct session_id *session, uint32_t seq, struct err **errp);
NODISCARD bool pack_set_merge(struct pack_set *set, const struct pack_set *other, struct err **errp);
bool pack_set_has(const struct pack_set *set, const struct session_id *session, uint32_t seq);
/* Takes the packs of `other` out. */
void pack_set_subtract(struct pack_set *set, const struct pack_set *other);
uint64_t pack_set_count(const struct pack_set *set);
typedef bool pack_set_each_function(void *arg, const struct session_id *session, uint32_t seq, struct err **errp);
/* Ascending. Stops with the first failure. */
NODISCARD bool pack_set_each(const struct pack_set *set, pack_set_each_function *each, void *arg, struct err **errp);
void pack_set_release(struct pack_set *set);
size_t pack_set_encoded_size(const struct pack_set *set);
/* u32 n, then each: session16, u32 bytes, bitmap (no trailing zero byte). Strict. */
void pack_set_encode(const struct pack_set *set, struct bytes *out);
NODISCARD bool pack_set_parse(struct cursor *cursor, struct pack_set *ret, struct err **errp);
