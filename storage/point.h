/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points: what commits say, and how to find one. See docs/format.md, Commit.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "storage/pack_set.h"
#include "storage/repository.h"
#include "storage/tree.h"

#define POINT_ID_SIZE 32
#define POINT_STREAMS_MAX 256
#define WORKLOAD_ID_SIZE 16
#define STREAM_NAME_MAX 64
#define WORKLOAD_NAME_MAX 128

enum commit_kind { COMMIT_POINT = 1, COMMIT_STOCK = 2, COMMIT_MOVED = 3, COMMIT_FENCE = 4 };
enum stream_kind { STREAM_DISK = 1, STREAM_RAM = 2, STREAM_FIRMWARE = 3, STREAM_DEFINITION = 4, STREAM_ANSWERS = 5 };

/* What was reached, from best to worst. */
enum consistency {
	CONSISTENCY_OFFLINE = 1, /* the workload was shut off, or its files were not in use */
	CONSISTENCY_FROZEN = 2,	 /* the guest agent had frozen the file systems */
	CONSISTENCY_CRASH = 3,	 /* as after a power cut, all disks at one instant */
};

struct stream {
	uint16_t number; /* stable across the points of a workload */
	enum stream_kind kind;
	char name[STREAM_NAME_MAX + 1]; /* "vda", "firmware", "domain.xml" */
	struct stream_shape shape;
	struct chunk_id root;
	struct tree_ref top;
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order of the object, which leaves gaps */
struct point {
	uint8_t id[POINT_ID_SIZE]; /* SHA-256 of the statement */
	struct session_id session;
	uint32_t r; /* metadata key of its tree */
	uint8_t workload_id[WORKLOAD_ID_SIZE];
	char workload[WORKLOAD_NAME_MAX + 1];
	uint64_t cut_ns;
	/* In a list: when it counts as made, which is cut_ns, but no later than what its writer made of the workload
	 * next. */
	uint64_t order_ns;
	char engine[16];
	enum consistency consistency;
	bool full;		  /* everything was read */
	char fallback_reason[32]; /* empty where there was none */
	uint8_t parent[POINT_ID_SIZE];
	uint64_t previous_number; /* the writer's commit before; 0: none */
	uint8_t previous_point[POINT_ID_SIZE];
	/* Filled by point_find() where a name and a time chose it: who made the workload's point before; else zero. */
	uint8_t writer_before[WRITER_SIZE];
	/* Likewise: a commit that cannot be read, or has vanished, and may have been what was meant; else "". */
	char missed[OBJECT_NAME_SIZE];
	uint32_t keyring_n;
	uint8_t keyring_hash[HASH_SIZE];
	uint64_t checkpoint_x;
	uint8_t checkpoint_hash[HASH_SIZE];
	struct stream *streams;
	size_t n_streams;
};

void point_release(struct point *point);
/* Borrowed; NULL when it has no such stream. */
const struct stream *point_stream(const struct point *point, const char *name);
/* Sum of its disks' sizes. */
uint64_t point_bytes(const struct point *point);
/* ERR_USAGE when it cannot be the name of a workload: 1 to WORKLOAD_NAME_MAX bytes of UTF-8. */
NODISCARD bool point_check_workload(const char *name, struct err **errp);
const char *consistency_text(enum consistency consistency);
const char *stream_kind_text(enum stream_kind kind);

struct vanished_point {
	char *text;		   /* "object: sentence" */
	struct session_id session; /* number 0: it is no commit that vanished */
	uint64_t before_ns;	   /* it was older than this; 0: unknown */
};

struct point_list {
	struct point *points; /* newest first: a writer's own in the order of its sessions, others by their clocks */
	size_t n;
	char **damaged; /* objects c/… that could not be read, one "name: reason" each */
	size_t n_damaged;
	struct vanished_point *vanished; /* what was there and is gone */
	size_t n_vanished;
};

/* All points (of one workload, by exact name, when not NULL). Damaged commits are named in the list and do not hide the
 * others. What vanished is an alarm, and no damage. Remembers heads. Reads commits on all processors. */
NODISCARD bool point_list_load(const struct repository *repository, const char *workload, struct point_list *ret,
			       struct err **errp);
void point_list_release(struct point_list *list);
/*
 * "web01@latest", "web01@TIME", an id prefix of at least 6 hex digits, or "web01" (as @latest). ERR_NOT_FOUND names the
 * nearest names; ERR_USAGE for an ambiguous prefix, with the candidates, and for a name that begins an id.
 */
NODISCARD bool point_find(const struct repository *repository, const char *text, struct point *ret, struct err **errp);
typedef bool point_candidate_function(void *arg, size_t i);
/*
 * The first point of the list that is a candidate and needs nothing of what is damaged in these packs, by its position;
 * list->n when there is none. What cannot be found out of a point speaks against it. Walks trees, and opens packs.
 */
NODISCARD bool point_find_without(const struct repository *repository, const struct point_list *list,
				  const struct pack_set *packs, const struct cancel *cancel,
				  point_candidate_function *is_candidate, void *arg, size_t *ret, struct err **errp);
/* The point that a session committed. ERR_NOT_FOUND when it did not; ERR_CORRUPT. */
NODISCARD bool point_load(const struct repository *repository, const struct session_id *session, struct point *ret,
			  struct err **errp);
