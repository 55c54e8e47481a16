/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where else lies what is damaged. Equal content has equal ids in all trees, so another point of the workload will do
 * that has the same id at the same place of the same stream, and has it from another pack, as those have that were made
 * since the damage was found. Later points are asked before earlier ones, the nearest first; and at last this machine's
 * index, if there is one. What is found is authenticated and named again as every read is, so nobody needs to be
 * trusted. Nothing is looked at before something is damaged. Thread-safe.
 */
#pragma once

#include "base/cancel.h"
#include "storage/point.h"

struct rescue;

/* What of a stream was read from elsewhere. */
struct rescue_healed {
	const struct stream *stream;
	uint64_t chunks;	  /* each once, however often it was read */
	bool nodes;		  /* of its tree, too */
	const struct point *from; /* the first that helped; NULL: what the index knew of */
	bool others;		  /* others helped as well */
};

struct rescue_options {
	const struct cancel *cancel; /* may be NULL */
	/* For each stream, when the first of it was read from elsewhere; from the thread that reads. May be NULL. */
	void (*begins)(void *arg, const struct rescue_healed *healed);
	void *arg;
};

/* For reading this point; both must outlive it. */
NODISCARD struct rescue *rescue_new(const struct repository *repository, const struct point *point,
				    const struct rescue_options *options, struct err **errp);
void rescue_free(struct rescue *rescue);
DEFINE_AUTO_FREE(struct rescue, rescue_free);

/* One chunk, or node, that is looked for. Begins with the place where it lies. */
struct rescue_search {
	struct tree_place place;
	struct chunk_id id;
	struct locator at;
	struct pack_set tried; /* the packs of all places before */
	size_t from;	       /* whose place it is, for rescue_note_read() */
};

void rescue_search_release(struct rescue_search *search);
/* search->at becomes the next place to try; false without an error: none is known. A pack is tried once. What fails is
 * of the run. */
NODISCARD bool rescue_next(struct rescue *rescue, struct rescue_search *search, struct err **errp);
/* What lies there was read, and is what it must be. */
void rescue_note_read(struct rescue *rescue, const struct rescue_search *search);
/* Of this stream of the point, so far; false: nothing was read from elsewhere. */
bool rescue_get_healed(struct rescue *rescue, const struct stream *stream, struct rescue_healed *ret);
