/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session is made of, for session*.c only.
 *
 * A pack goes    open ──full──► closed ──last place sealed──► queued ──► uploading ──► stored
 *
 *   open, closed: places are given out and sealed into the pack's buffer; its ids are pending.
 *   queued, uploading: whole, in memory only; a crash loses it, and nothing refers to it.
 *   stored: durable, then in the journal, then in the index, and only then no longer pending: at every moment
 *           an id that was reserved is found.
 *
 * Invariants: at most MAX_CHUNK_PACKS and MAX_NODE_PACKS packs exist; whatever is in `unlisted` is in the journal.
 * Lock order: list_lock, lock. The index has its own lock, below both.
 */
#pragma once

#include <pthread.h>

#include "base/err.h"
#include "base/pool.h"
#include "storage/collection.h"
#include "storage/index.h"
#include "storage/journal.h"
#include "storage/pack_read.h"
#include "storage/session.h"

/* Uploaders, and packs of chunks: one more is filled meanwhile. One connection to far away is slower than what is made
 * for it. */
#define UPLOADERS 2
#define FAR_UPLOADERS 4
#define MAX_CHUNK_PACKS (FAR_UPLOADERS + 1)
#define MAX_NODE_PACKS 2
#define PENDING_BUCKETS 32768u

struct pending_entry { /* a reserved place, by id */
	struct pending_entry *next;
	struct session_pack *pack;
	uint16_t entry;
};

struct session_pack {
	struct pack_writer *writer;
	enum pack_class cls;
	uint32_t seq;
	size_t unsealed;
	bool closed;
	struct pending_entry *entries; /* PACK_TARGET_ENTRIES */
	struct session_pack *next;     /* in the queue of the uploaders */
};

/* One for each class. */
struct lane {
	struct session_pack *open;
	struct session_pack *packs[MAX_CHUNK_PACKS]; /* all that exist */
	size_t n, max;
	struct pack_writer *spare[MAX_CHUNK_PACKS]; /* of packs that are stored, to be filled again */
	size_t n_spare;
};

struct session {
	struct repository *repository;
	const struct cancel *cancel;
	struct session_id id;
	struct index *index;
	struct pack_reader *reader;   /* of nodes that are known already */
	struct collection collection; /* as of after the registration */
	struct journal *journal;      /* written by one uploader at a time, under list_lock */
	struct pool *uploaders;
	bool ended;

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a pack was queued, stored or dropped; a failure; the end */
	struct lane chunks, nodes;
	uint32_t next_seq;
	struct pending_entry **pending; /* PENDING_BUCKETS */
	struct session_pack *queue, **queue_end;
	bool closing;	      /* the uploaders end when the queue is empty */
	enum err_code failed; /* 0: not failed. Afterwards nothing is uploaded any more */
	struct err *failure;  /* until somebody was told */
	struct pack_set used; /* packs of earlier sessions that were found */
	struct pack_set own;  /* stored packs of this one */
	struct session_stats stats;

	pthread_mutex_t list_lock;
	struct list_pack unlisted[LIST_PACKS];
	size_t n_unlisted;
	uint32_t next_k;
	uint8_t (*lists)[HASH_SIZE];
};

struct lane *session_lane(struct session *session, enum pack_class cls);
/* The lock is held. Remembers the first failure, and wakes everybody. Takes the error. */
void session_fail(struct session *session, struct err **error);
/* The lock is held. False, with the first failure or a short word of it, once the session failed. */
bool session_check(struct session *session, struct err **errp);

/* The lock is held for these. */
struct pending_entry *session_pending_find(struct session *session, enum pack_class cls, const struct chunk_id *id);
void session_pending_add(struct session *session, struct session_pack *pack, uint16_t entry);
void session_pending_drop(struct session *session, const struct session_pack *pack);

/* A pack of the class with room for stored_len, waiting for one if need be. The lock is held. */
struct session_pack *session_pack_take(struct session *session, enum pack_class cls, size_t stored_len,
				       struct err **errp);
/* No further places; it goes to the uploaders as soon as all are sealed. The lock is held. */
void session_pack_close(struct session *session, struct session_pack *pack);
/* Frees it. The lock is held. */
void session_pack_drop(struct session *session, struct session_pack *pack);
/* One place more is sealed. The lock is held. */
void session_pack_sealed(struct session *session, struct session_pack *pack);
/* The uploaders' thread function. */
bool session_upload(void *session, struct err **errp);
/* Publishes what is in no list yet. list_lock is held. */
bool session_list(struct session *session, struct err **errp);
/*
 * Closes what is open, waits until all is stored and listed. The index is flushed. Afterwards nothing can be stored.
 * Says how many packs had to be dropped since not all their places were sealed.
 */
bool session_drain(struct session *session, size_t *ret_dropped, struct err **errp);
/* Looks an id up in what is under way and in the index, and remembers the pack as used. */
bool session_lookup(struct session *session, enum pack_class cls, const struct chunk_id *id, struct locator *ret);
/* Reserves in a pack of the class. */
bool session_reserve_in(struct session *session, enum pack_class cls, const struct chunk_id *id, uint32_t plain_len,
			enum chunk_codec codec, size_t stored_len, struct reservation *ret, struct err **errp);
/* Every pack that the point needs, and now and then one that it does not; see session_packs.c. */
bool session_gather_packs(struct session *session, const struct point *point, const struct point *parent,
			  struct pack_set *packs, struct err **errp);
