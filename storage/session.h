/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A writer's run: registration, packs, lists, and one commit. The states, and what a crash leaves in each:
 *
 *   begin ──► open ──(store …)──► committing ──► committed
 *               │                      │
 *               └──► cancelled ◄───────┘ (fenced: failed, the change map stays)
 *
 *   open:       registered as w/S; packs p/, m/ and lists l/ appear; a crash leaves them, and the next run of this host
 *               takes them over through its journal.
 *   committing: everything is durable before c/S is tried; c/S decides.
 *
 * Storing is a chain for many threads:  find → (compress) → reserve (in address order) → seal.
 * reserve blocks while too many packs are under way. After any failure only session_cancel() may follow.
 */
#pragma once

#include "base/cancel.h"
#include "storage/pack_write.h"
#include "storage/point.h"
#include "storage/tree_write.h"

struct session;
struct session_pack;

struct session_options {
	const struct cancel *cancel; /* borrowed; checked where it blocks */
};

struct session_stats {
	uint64_t bytes_stored; /* of packs, lists and the commit, as objects */
	uint64_t packs;
};

struct reservation {
	bool stored;		   /* somebody stores it already: nothing to seal */
	struct locator at;	   /* where it is, or will be */
	struct session_pack *pack; /* internal */
	struct pack_place place;   /* internal */
};

/* Syncs the index, registers w/S, then lists g/. ERR_DENIED without role write. */
NODISCARD struct session *session_begin(struct repository *repository, const struct session_options *options,
					struct err **errp);
/* Frees; an open session is cancelled first, silently. */
void session_free(struct session *session);
DEFINE_AUTO_FREE(struct session, session_free);
const struct session_id *session_id(const struct session *session);
const struct metadata_keys *session_keys(const struct session *session);
/* For tree_condemned() and tree_writer_new(): a pack that no new point may rely on. arg is the session. */
bool session_is_condemned(void *session, enum pack_class cls, const struct session_id *of, uint32_t seq);
/* True when a parent's packs may all be relied on, so that no tree_condemned() walk is needed. Fails when the commit
 * cannot be read. */
NODISCARD bool session_parent_is_whole(struct session *session, const struct point *parent, bool *ret,
				       struct err **errp);

/* The chunk is stored (by an earlier session, or by this one): then its place. */
bool session_find(struct session *session, const struct chunk_id *id, struct locator *ret);
/* Calls must not overlap; the order of calls is the order in the pack. */
NODISCARD bool session_reserve(struct session *session, const struct chunk_id *id, uint32_t plain_len,
			       enum chunk_codec codec, size_t stored_len, struct reservation *ret, struct err **errp);
/* Every reservation that is not `stored` must be sealed, by any thread. stored bytes as given to reserve. */
NODISCARD bool session_seal(struct session *session, const struct reservation *reservation, struct span stored,
			    struct err **errp);
/* A tree_store_function: arg is the session. Its calls must not overlap with each other or with session_reserve(). */
bool session_store_node(void *session, uint8_t level, const struct chunk_id *id, struct span plain, struct locator *ret,
			struct err **errp);
/*
 * The whole chain for a small stream (definition, firmware variables): fills shape, root and top of ret; number, kind
 * and name are the caller's. One thread.
 */
NODISCARD bool session_store_stream(struct session *session, struct span plain, struct stream *ret, struct err **errp);

/*
 * Flushes packs and lists, creates c/S, and reads the newest checkpoint. `point` comes with everything from workload_id
 * to parent and streams; session, keyring, previous and checkpoint are filled here, and id.
 * parent_point may be NULL; its packs are referenced too (its subtrees were taken over).
 * ERR_BUSY: a collector fenced this session; the change map must stay, try again.
 */
NODISCARD bool session_commit(struct session *session, struct point *point, const struct point *parent_point,
			      struct err **errp);
/* Ends the run without a point: what is stored is made durable and listed, so that the next run uses it. */
NODISCARD bool session_cancel(struct session *session, struct err **errp);
void session_get_stats(const struct session *session, struct session_stats *ret);
