/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which points are there, and who names others: the writer's next point, this machine's memory, a checkpoint, a
 * receipt. So a commit that is gone, or is another than it was, does not go unseen. A session that was registered and
 * committed nothing is named by nobody. Not thread-safe.
 */
#pragma once

#include "storage/collection.h"
#include "storage/heads.h"
#include "storage/point.h"

struct lineage {
	struct lineage_point *points; /* that are there, and can be read */
	size_t n, capacity;
	struct lineage_name *names;
	size_t n_names, names_capacity;
	bool sorted;
};

/* Who says that a session made a point. */
enum lineage_witness { WITNESS_MEMORY, WITNESS_NEXT_POINT, WITNESS_CHECKPOINT, WITNESS_RECEIPT };
/* How much is known of the workload of a point that cannot be read. */
enum lineage_workload {
	WORKLOAD_KNOWN,	    /* a point says that it was built upon it */
	WORKLOAD_OF_OTHERS, /* all other points of its writer are of that one */
	WORKLOAD_SEVERAL,   /* its writer protects more than one */
	WORKLOAD_NONE,	    /* nothing of its writer is left */
};

/* A point whose commit is gone, or is another, or cannot be read: what else tells of it. */
struct lost_point {
	struct session_id session;
	uint8_t id[POINT_ID_SIZE]; /* zero: unknown */
	bool unreadable;	   /* the commit is there; else somebody names it: */
	enum lineage_witness witness;
	bool replaced;	    /* there is a commit, of another point */
	bool unlisted;	    /* it is there, and the list that a far store gave does not have it yet */
	uint64_t begun_ns;  /* when its session was registered; 0: unknown */
	uint64_t before_ns; /* when its writer made the next point, so that it is older; 0: unknown */
	enum lineage_workload knowledge;
	char workload[WORKLOAD_NAME_MAX + 1]; /* "": unknown */
};

void lineage_release(struct lineage *lineage);
/* A point that is there; it names the one before it. */
NODISCARD bool lineage_add_point(struct lineage *lineage, const struct point *point, struct err **errp);
/* Somebody names a session as one that made a point; id is zero where it is not said which. */
NODISCARD bool lineage_add_name(struct lineage *lineage, const struct session_id *session,
				const uint8_t id[POINT_ID_SIZE], enum lineage_witness witness, struct err **errp);
NODISCARD bool lineage_add_heads(struct lineage *lineage, const struct heads *heads, struct err **errp);
NODISCARD bool lineage_add_checkpoint(struct lineage *lineage, const struct collection *collection, struct err **errp);

typedef bool lineage_lost_function(void *arg, const struct lost_point *lost, struct err **errp);
/*
 * Gives every point that was named and is not there, or is another. `there` are the sessions of LIST c/, ascending;
 * what is not among them is looked for once more, and what a far store has then is unlisted. What a collection or a
 * revocation decided against is not lost.
 */
NODISCARD bool lineage_find_lost(struct lineage *lineage, const struct repository *repository,
				 const struct session_id *there, size_t n_there, lineage_lost_function *each, void *arg,
				 struct err **errp);
/* What is known of a session whose commit cannot be read. */
NODISCARD bool lineage_trace(struct lineage *lineage, const struct repository *repository,
			     const struct session_id *session, struct lost_point *ret, struct err **errp);

/* "a point of the writer 'host7', whose other points are of 'web01', has vanished …", a new string; NULL without
 * memory. */
char *lost_point_text(const struct repository *repository, const struct lost_point *lost);
/* "of session 12 of the writer 'host7', begun at …; whose other points are of 'web01'"; likewise. */
char *lost_point_traces(const struct repository *repository, const struct lost_point *lost);
/* The writer's name; "?" for one who is no member. */
const char *lost_point_writer(const struct repository *repository, const struct lost_point *lost);
