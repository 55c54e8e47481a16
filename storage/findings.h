/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What scrubs of this machine found: which points are hurt, by what, and which were whole when they were last looked
 * at. A file in repository_state_path(), small enough to be read whenever points are listed; nothing of it is in the
 * repository. A memory and no archive: a damaged or missing one reads as empty.
 *
 * Damage is kept by the least level that finds it. A pass of a level, or of a higher one, replaces it; a lesser one
 * would not see it, and leaves it.
 */
#pragma once

#include "storage/scrub.h"

#define FINDINGS_LEVELS 3u
#define FINDING_OBJECT_MAX 127u
#define FINDING_REASON_MAX 255u
#define FINDING_POINT_OBJECTS 4u

struct finding {
	char object[FINDING_OBJECT_MAX + 1], reason[FINDING_REASON_MAX + 1];
};

struct findings_point { /* that is hurt, or may be */
	struct session_id session;
	enum judgement judgement;
	uint8_t streams[POINT_STREAMS_MAX / 8];	 /* in the point's order */
	uint32_t objects[FINDING_POINT_OBJECTS]; /* the first few, by position in the section's items */
	uint8_t n_objects;
};

struct findings_section { /* what a level finds, and none below it */
	uint64_t found_ns;
	uint64_t n_damaged;    /* objects in all */
	struct finding *items; /* the first few thousand of them */
	size_t n;
	struct findings_point *points; /* ascending by session */
	size_t n_points;
};

struct findings_covered {
	struct session_id session;
	uint8_t levels; /* a bit for each whose last pass looked at it */
};

struct findings {
	uint64_t ended_ns[FINDINGS_LEVELS]; /* the last whole pass of each level; 0: there was none */
	struct findings_section sections[FINDINGS_LEVELS];
	struct findings_covered *covered; /* points, ascending by session */
	size_t n_covered;
};

/* What is known of one point. */
struct findings_verdict {
	bool scrubbed; /* else nothing is */
	enum judgement judgement;
	enum scrub_level level; /* where it is hurt, that which found it; else the highest that looked at it */
	uint64_t when_ns;
	uint8_t streams[POINT_STREAMS_MAX / 8];
};

void findings_release(struct findings *findings);
NODISCARD bool findings_load(const struct repository *repository, struct findings *ret, struct err **errp);
/* Durable and atomic. Does nothing where nothing is remembered of this repository. */
NODISCARD bool findings_save(const struct repository *repository, const struct findings *findings, struct err **errp);
/* Takes in what a whole pass found that looked at these sessions, ascending. */
NODISCARD bool findings_update(struct findings *findings, const struct scrub_report *report, enum scrub_level level,
			       const struct session_id *sessions, size_t n, struct err **errp);
/* Parser of a file without its checksum, for fuzzing. ERR_CORRUPT. */
NODISCARD bool findings_parse(struct span body, struct findings *ret, struct err **errp);

void findings_judge(const struct findings *findings, const struct session_id *session, struct findings_verdict *ret);
/* Any pass of any level was made from here. */
bool findings_any(const struct findings *findings);
/* Damaged objects in all. */
uint64_t findings_damaged(const struct findings *findings);
typedef void findings_object_function(void *arg, const struct finding *finding, enum scrub_level level,
				      uint64_t found_ns);
/* The first few objects that hurt a point. */
void findings_each_object(const struct findings *findings, const struct session_id *session,
			  findings_object_function *each, void *arg);
