/* SPDX-License-Identifier: Apache-2.0 */
/* Looking for damage, without changing anything in the repository. */
#pragma once

#include "base/cancel.h"
#include "base/progress.h"
#include "storage/judge.h"
#include "storage/lineage.h"

/* Each does what the ones before it do, and more. */
enum scrub_level {
	SCRUB_SIZES,	/* packs: there, and as long as their lists say; nothing of them is read */
	SCRUB_DIGESTS,	/* packs: the SHA-256 of their lists; every point's tree is whole. Needs no content key */
	SCRUB_CONTENTS, /* every stored chunk is opened once, and its id computed again. Needs the role read */
};

/* "digests". */
const char *scrub_level_text(enum scrub_level level);

struct scrub_point {
	uint8_t id[POINT_ID_SIZE];
	struct session_id session;
	char workload[WORKLOAD_NAME_MAX + 1];
	uint64_t cut_ns;
	enum judgement judgement;
	struct {
		enum judgement judgement;
		uint8_t streams[POINT_STREAMS_MAX /
				8];	/* that are hurt, or may be: a bit for each, in the point's order */
	} by_level[SCRUB_CONTENTS + 1]; /* by the damage that this level finds, and none below it */
};

struct scrub_pair {
	uint32_t point; /* position in the report's `hurt` */
	bool certain;	/* else it may be hurt */
};

struct scrub_damage {
	char *object, *reason;
	enum scrub_level level;	   /* the least that finds it */
	struct scrub_pair *points; /* those it hurts, or may hurt; at most a million over all damage */
	size_t n_points;
	uint64_t n_hurt, n_may_hurt; /* also where they are not all named */
	struct lost_point *lost;     /* of a commit that cannot be read, or is gone: what else tells of it; or NULL */
};

struct scrub_report {
	uint64_t objects, bytes; /* of the pass, with what earlier runs looked at */
	uint64_t began_ns;	 /* the pass; before this run where an interrupted one was taken up */
	uint64_t bytes_before;	 /* that earlier runs of this pass looked at */
	struct scrub_damage *damaged;
	size_t n_damaged;
	struct scrub_point *hurt; /* and those that may be */
	size_t n_hurt;
	uint64_t may_be_hurt;	   /* of these */
	struct scrub_point *whole; /* the newest whole point of each workload; filled where something is damaged */
	size_t n_whole;
	uint64_t whole_points;	/* of all workloads; likewise */
	uint64_t slots_refused; /* that the place did not let this run read */
	char *unkept;		/* why this machine may not remember what was found; NULL: it does */
};

struct scrub_options {
	enum scrub_level level;
	bool anew; /* an interrupted pass is not taken up */
	const struct cancel *cancel;
	struct progress *progress; /* may be NULL; counts packs that are read */
};

/*
 * Every object: the signed ones by signature, packs by the level, every pack that a commit references must be there,
 * and every point that another, this machine or a receipt names. Packs that are in no list are counted, and are no
 * damage. Damage fills the report and is no failure.
 *
 * Interrupted, it remembers in repository_state_path() which packs were sound, and the next run of that level goes on
 * there. What is damaged is remembered too: writers of this machine rely on it no more, so the next backup stores again
 * what they read of it.
 */
NODISCARD bool scrub_run(struct repository *repository, const struct scrub_options *options, struct scrub_report *ret,
			 struct err **errp);
void scrub_report_release(struct scrub_report *report);
