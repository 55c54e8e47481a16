/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points that were, and are gone: what the writer's next point, this machine's memory, a checkpoint or a receipt names.
 * And what can still be said of a commit that cannot be read: whose it was, when it was begun, of which workload.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "storage/scrub_state.h"

static bool set_lost(struct scrub_damage *damage, const struct lost_point *lost, struct err **errp)
{
	damage->lost = malloc(sizeof(*damage->lost));
	if (!damage->lost)
		return err_set_no_memory(errp);
	*damage->lost = *lost;
	return true;
}

static bool take_lost(void *arg, const struct lost_point *lost, struct err **errp)
{
	struct scrub *scrub = arg;
	struct scrub_cause cause = {.session = lost->session};
	AUTO(freep) char *sentence = lost_point_text(scrub->repository, lost);
	char name[OBJECT_NAME_SIZE];
	size_t before = scrub->report.n_damaged;

	if (lost->unlisted)
		return true;
	if (!sentence)
		return err_set_no_memory(errp);
	if (!scrub_damaged(scrub, &cause, object_name_session('c', &lost->session, name), sentence, errp))
		return false;
	return scrub->report.n_damaged == before || set_lost(&scrub->report.damaged[before], lost, errp);
}

/* A collection that was seen from here. */
static bool check_checkpoint(struct scrub *scrub, struct err **errp)
{
	const struct heads *heads = &scrub->heads;
	const struct collection *collection = &scrub->collection;
	const struct scrub_cause nobody = {0};

	if (heads->checkpoint_x == 0 || collection->checkpoint_x > heads->checkpoint_x)
		return true;
	AUTO(freep) char *name = file_format("g/%016" PRIx64 ".final", heads->checkpoint_x);
	if (!name)
		return err_set_no_memory(errp);
	if (collection->checkpoint_x < heads->checkpoint_x)
		return scrub_damaged(scrub, &nobody, name, "it was seen from here before, and has vanished", errp);
	return memcmp(collection->checkpoint_hash, heads->checkpoint_hash, HASH_SIZE) == 0 ||
	       scrub_damaged(scrub, &nobody, name, "it is not the one that was seen here before", errp);
}

/* Of every commit in the report of which nothing is told so far. */
static bool trace_damaged(struct scrub *scrub, struct err **errp)
{
	for (size_t i = 0; i < scrub->report.n_damaged; i++) {
		struct scrub_damage *damage = &scrub->report.damaged[i];
		struct session_id session;
		struct lost_point lost;
		if (damage->lost || !object_name_parse_session('c', damage->object, &session))
			continue;
		if (!lineage_trace(&scrub->lineage, scrub->repository, &session, &lost, errp) ||
		    !set_lost(damage, &lost, errp))
			return false;
	}
	return true;
}

bool scrub_lost(struct scrub *scrub, struct err **errp)
{
	return lineage_add_heads(&scrub->lineage, &scrub->heads, errp) &&
	       lineage_add_checkpoint(&scrub->lineage, &scrub->collection, errp) &&
	       lineage_find_lost(&scrub->lineage, scrub->repository, scrub->commits, scrub->n_commits, take_lost, scrub,
				 errp) &&
	       check_checkpoint(scrub, errp) && trace_damaged(scrub, errp);
}
