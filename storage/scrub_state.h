/* SPDX-License-Identifier: Apache-2.0 */
/* What a scrub knows while it runs, for scrub*.c only. Memory: about 70 bytes a pack, and a bit for each possible node.
 */
#pragma once

#include <pthread.h>

#include "base/err.h"
#include "storage/collection.h"
#include "storage/list.h"
#include "storage/pack_read.h"
#include "storage/point.h"
#include "storage/scrub.h"

struct scrub_pack { /* as a list has it */
	struct session_id session;
	struct list_pack listed;
	bool present;
};

struct scrub_cause { /* of the damage of the same position in the report: what points are looked up by */
	struct session_id session;
	uint32_t seq; /* 0: of the session as a whole; then its own point is hurt */
};

struct scrub_trees;

struct scrub {
	const struct repository *repository;
	const struct scrub_options *options;
	struct collection collection;
	struct scrub_pack *packs; /* by session and seq */
	size_t n_packs, packs_capacity;
	struct session_id *commits; /* that were there at the beginning, ascending: newer ones are not judged */
	size_t n_commits, commits_capacity;
	struct pack_set present; /* under p/ or m/ */
	struct scrub_trees *trees;
	pthread_mutex_t lock; /* over what is below, while packs are read */
	struct scrub_report report;
	struct scrub_cause *causes;
	struct pack_set named; /* packs in the report */
	size_t next_pack;
};

/* An object of `size` was looked at. */
void scrub_count(struct scrub *scrub, uint64_t size);
/* Names an object as damaged; once. */
bool scrub_damaged(struct scrub *scrub, const struct scrub_cause *cause, const char *object, const char *reason,
		   struct err **errp);
/* Damage goes into the report, and the scrub goes on: true. Anything else stays an error. */
bool scrub_take_error(struct scrub *scrub, const struct scrub_cause *cause, const char *object, struct err **errp);
bool scrub_go_on(const struct scrub *scrub, struct err **errp);
/* The pack as a list has it; NULL when none does. */
struct scrub_pack *scrub_find_pack(struct scrub *scrub, const struct session_id *session, uint32_t seq);
/* The session's commit is to be judged: its writer was not revoked, and no collection decided against it. */
bool scrub_counts(const struct scrub *scrub, const struct session_id *session);

/*
 * The parts, in this order. A commit that is there has its lists and packs there, so it is looked for first: what a
 * writer commits meanwhile would seem to lack what came after its kind was listed.
 */
bool scrub_find_commits(struct scrub *scrub, struct err **errp);
bool scrub_signed(struct scrub *scrub, struct err **errp);
bool scrub_packs(struct scrub *scrub, struct err **errp);
bool scrub_commits(struct scrub *scrub, struct err **errp);

/* The tree of a stream; nodes that were walked before are not walked again. */
struct scrub_trees *scrub_trees_new(struct scrub *scrub, struct err **errp);
void scrub_trees_free(struct scrub_trees *trees);
bool scrub_tree(struct scrub_trees *trees, const struct stream *stream, struct err **errp);
