/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a scrub knows while it runs, for scrub*.c only. Memory: about 70 bytes a pack, a bit for each possible node, and
 * for each processor at most 5 MiB of chunks.
 */
#pragma once

#include <pthread.h>

#include "base/err.h"
#include "storage/collection.h"
#include "storage/list.h"
#include "storage/pack_memory.h"
#include "storage/pack_read.h"
#include "storage/scrub.h"

struct scrub_pack { /* as a list has it */
	struct session_id session;
	struct list_pack listed;
	bool present;
};

struct scrub_cause { /* of the damage of the same position in the report: what points are looked up by */
	struct session_id session;
	uint32_t seq;		/* 0: it is no pack */
	enum scrub_level level; /* the least that finds it */
	size_t last_point;	/* the length of `hurt` when the last point was found that it hurts; 0: none was */
};

struct scrub {
	const struct repository *repository;
	const struct scrub_options *options;
	struct collection collection;
	struct scrub_pack *packs; /* by session and seq */
	size_t n_packs, packs_capacity;
	struct session_id *commits; /* that were there at the beginning, ascending: newer ones are not judged */
	size_t n_commits, commits_capacity;
	struct pack_set present;    /* under p/ or m/ */
	struct pack_reader *reader; /* of nodes and footers, for all threads */
	pthread_mutex_t lock;	    /* over what is below, while several threads look */
	struct scrub_report report;
	struct scrub_cause *causes;
	struct heads heads; /* as remembered before */
	struct lineage lineage;
	struct pack_set named;	   /* packs in the report */
	struct pack_set unlisted;  /* needed, and in no list */
	struct pack_set listless;  /* of these, those of sessions that have lost their lists */
	struct pack_memory memory; /* packs that this pass found sound */
	size_t next_pack, unsaved;
};

/* An object of `size` was looked at. */
void scrub_count(struct scrub *scrub, uint64_t size);
/* Names an object as damaged; once. */
bool scrub_damaged(struct scrub *scrub, const struct scrub_cause *cause, const char *object, const char *reason,
		   struct err **errp);
/* Damage goes into the report, and the scrub goes on: true. Anything else stays an error. */
bool scrub_take_error(struct scrub *scrub, const struct scrub_cause *cause, const char *object, struct err **errp);
/* The same for a pack; `level` is the least that finds such damage. */
bool scrub_take_pack_error(struct scrub *scrub, enum scrub_level level, enum pack_class cls, const struct locator *at,
			   struct err **errp);
/* The pack is in the report already. */
bool scrub_is_named(struct scrub *scrub, const struct locator *at);
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
/* Commits, what they need, and their trees. */
bool scrub_commits(struct scrub *scrub, struct err **errp);
/* Points that are gone, and what is known of commits that cannot be read. */
bool scrub_lost(struct scrub *scrub, struct err **errp);
/* Names lists that are lost; opens the chunks of packs that commits need and no list told of. */
bool scrub_unlisted(struct scrub *scrub, struct err **errp);
/* Which points the damage hurts, which it may hurt, and which are whole. */
bool scrub_judge_points(struct scrub *scrub, struct err **errp);

/* Opens every chunk of a chunk pack; damage goes into the report. */
bool scrub_contents(struct scrub *scrub, const struct session_id *session, uint32_t seq, struct err **errp);

/* What of this pass is remembered; see scrub_memory.c. */
bool scrub_memory_open(struct scrub *scrub, struct err **errp);
/* The lock is held. */
bool scrub_memory_add(struct scrub *scrub, const struct scrub_pack *pack, struct err **errp);
/* The pass is over, or to be taken up later. */
bool scrub_memory_close(struct scrub *scrub, bool over, struct err **errp);

/* A node that a tree leads to. */
struct scrub_node {
	struct stream_shape shape;
	uint64_t first; /* chunk below it */
	uint8_t level;
	struct tree_ref ref;
};

/* Checks a node and the chunks below it; gives the nodes below it. Damage goes into the report. */
NODISCARD bool scrub_node_check(struct scrub *scrub, const struct scrub_node *node,
				struct scrub_node below[TREE_FANOUT], size_t *ret_n, struct err **errp);
