/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pass over a large repository takes days. Every few GiB the packs that were found sound are written down; what is
 * damaged never is, so that it is looked at, and named, again. The scrub goes on without a memory that cannot be kept,
 * and tells of it: the next one takes longer, and writers of this machine do not know what is damaged.
 */
#include <string.h>

#include "base/clock.h"
#include "storage/findings.h"
#include "storage/scrub_state.h"

#define SAVE_EVERY 128 /* packs, of 32 MiB as a rule */

/* A pass that only lists has nothing to take up. */
static const char *memory_name(const struct scrub *scrub)
{
	static const char *const names[] = {
		[SCRUB_SIZES] = NULL, [SCRUB_DIGESTS] = "scrub-digests", [SCRUB_CONTENTS] = "scrub-contents"};

	return names[scrub->options->level];
}

/* Lack of memory ends the run; a full disk does not. The first reason is told. */
static bool tolerate(struct scrub *scrub, bool ok, struct err **errp)
{
	if (ok)
		return true;
	if (err_is_of_run(err_code(*errp)))
		return false;
	if (!scrub->report.unkept && !(scrub->report.unkept = strdup(err_message(*errp)))) {
		err_clear(errp);
		return err_set_no_memory(errp);
	}
	err_clear(errp);
	return true;
}

bool scrub_memory_open(struct scrub *scrub, struct err **errp)
{
	const char *name = memory_name(scrub);

	if (name && !scrub->options->anew && !pack_memory_load(scrub->repository, name, &scrub->memory, errp))
		return false;
	if (scrub->memory.began_ns == 0)
		scrub->memory.began_ns = clock_now_ns();
	scrub->report.began_ns = scrub->memory.began_ns;
	scrub->report.bytes_before = scrub->memory.bytes;
	return true;
}

static bool save(struct scrub *scrub, struct err **errp)
{
	scrub->unsaved = 0;
	return tolerate(scrub, pack_memory_save(scrub->repository, memory_name(scrub), &scrub->memory, errp), errp);
}

bool scrub_memory_add(struct scrub *scrub, const struct scrub_pack *pack, struct err **errp)
{
	if (!pack_set_add(&scrub->memory.packs, &pack->session, pack->listed.seq, errp))
		return false;
	scrub->memory.bytes += pack->listed.size;
	return ++scrub->unsaved < SAVE_EVERY || save(scrub, errp);
}

static bool save_damaged(struct scrub *scrub, const char *name, const struct pack_memory *damaged, struct err **errp)
{
	return tolerate(scrub,
			damaged->packs.n > 0 ? pack_memory_save(scrub->repository, name, damaged, errp)
					     : pack_memory_forget(scrub->repository, name, errp),
			errp);
}

/* A whole pass knows all that is damaged; one that was broken off knows only more than before. */
static bool remember_damaged(struct scrub *scrub, bool over, struct err **errp)
{
	AUTO(pack_memory_release) struct pack_memory damaged = {0};
	bool opened = scrub->options->level == SCRUB_CONTENTS;
	const char *name = opened ? PACK_MEMORY_DAMAGED_CONTENTS : PACK_MEMORY_DAMAGED_DIGESTS;

	if (!over && !pack_memory_load(scrub->repository, name, &damaged, errp))
		return false;
	damaged.began_ns = scrub->memory.began_ns;
	if (!pack_set_merge(&damaged.packs, &scrub->named, errp) ||
	    !pack_set_merge(&damaged.packs, &scrub->listless, errp) || !save_damaged(scrub, name, &damaged, errp))
		return false;
	return !over || !opened ||
	       tolerate(scrub, pack_memory_forget(scrub->repository, PACK_MEMORY_DAMAGED_DIGESTS, errp), errp);
}

/* For whoever lists points: which are hurt, and which were looked at. */
static bool remember_findings(struct scrub *scrub, struct err **errp)
{
	AUTO(findings_release) struct findings findings = {0};

	if (!findings_load(scrub->repository, &findings, errp) ||
	    !findings_update(&findings, &scrub->report, scrub->options->level, scrub->commits, scrub->n_commits, errp))
		return false;
	return tolerate(scrub, findings_save(scrub->repository, &findings, errp), errp);
}

bool scrub_memory_close(struct scrub *scrub, bool over, struct err **errp)
{
	const char *name = memory_name(scrub);

	if (over && !remember_findings(scrub, errp))
		return false;
	if (!name)
		return true;
	if (!over)
		return (scrub->unsaved == 0 || save(scrub, errp)) && remember_damaged(scrub, false, errp);
	return tolerate(scrub, pack_memory_forget(scrub->repository, name, errp), errp) &&
	       remember_damaged(scrub, true, errp);
}
