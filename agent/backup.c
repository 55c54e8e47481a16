/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One backup of one workload. The order of the steps is what keeps every promise; what a crash behind each one leaves:
 *
 *   lock, parent    nothing
 *   begin           a registered session without commit: never a point
 *   cut             a change map that the engine removes at its next cut, after merging it back
 *   compare         the same: some chunks that are said to be unchanged are read, and if one is not, everything is
 *   store           packs that the next run of this host uses
 *                   (again, as another session, when what it builds on turns out to be damaged)
 *   check           the same; nothing that broke while it was read gets further
 *   commit          the point. The old change map still stands, so the next run reads a little more than it must
 *   remember        this point and its change map are what the next run builds on; the old change map is garbage
 *   keep            the old change map is gone
 *
 * A failure before the commit ends the cut without keeping it and lists what was stored.
 */
#include "agent/backup.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/backup_internal.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/hex.h"

#define FOOTER_CACHE (16u << 20)
#define OWNER_SIZE 4 /* bytes of the repository's domain: change maps of two repositories are two */

void backup_note(const struct backup *run, const char *text)
{
	if (run->options->note && text)
		run->options->note(run->options->note_arg, text);
}

static bool prepare(struct backup *run, const char *name, struct err **errp)
{
	if (!run->engine->ops->describe(run->engine, name, &run->workload, errp))
		return false;
	if (!point_check_workload(run->workload.name, errp))
		return false;
	if (run->workload.n_disks == 0)
		return err_set(errp, ERR_FAILED, "it has no disk that can be protected");
	for (size_t i = 0; i < run->workload.n_left_out; i++)
		backup_note(run, run->workload.left_out[i]);
	return tracking_lock(run->repository, &run->workload, &run->lock, errp) &&
	       tracking_load(run->repository, &run->workload, &run->tracking, errp) &&
	       parent_choose(run->repository, &run->workload, &run->tracking, &run->parent, errp);
}

static bool begin(struct backup *run, struct err **errp)
{
	struct session_options options = {.cancel = run->options->cancel};

	run->packs = pack_reader_new(run->repository, FOOTER_CACHE, errp);
	if (!run->packs)
		return false;
	run->session = session_begin(run->repository, &options, errp);
	return run->session != NULL;
}

static bool cut(struct backup *run, struct err **errp)
{
	const struct backup_options *options = run->options;
	char owner[2 * OWNER_SIZE + 1];
	struct cut_request request = {
		.cancel = options->cancel,
		.owner = hex_encode(repository_domain(run->repository), OWNER_SIZE, owner),
		.tracking = run->parent.change_map,
		.freeze_timeout_s = options->freeze_timeout_s,
		.spill_dir = options->spill_dir,
		.spill_limit = options->spill_limit,
	};

	return run->engine->ops->cut(run->engine, &run->workload, &request, &run->cut, errp);
}

/* From the same cut. What the session stored until now is listed, and found by the next one. */
static bool begin_again(struct backup *run, struct err **errp)
{
	struct session_options options = {.cancel = run->options->cancel};

	if (!session_cancel(run->session, errp))
		return false;
	session_free(STEAL(&run->session));
	run->session = session_begin(run->repository, &options, errp);
	if (run->options->progress)
		atomic_store(&run->options->progress->done, 0);
	return run->session && backup_judge_parent(run, errp);
}

/* At most once more for each disk. */
static bool store(struct backup *run, struct err **errp)
{
	bool again;

	do {
		if (!backup_store(run, &again, errp) || (again && !begin_again(run, errp)))
			return false;
	} while (again);
	return true;
}

static void describe_point(struct backup *run)
{
	struct point *point = &run->point;
	const struct cut_info *info = backup_cut_info(run);

	memcpy(point->workload_id, info->workload.id, WORKLOAD_ID_SIZE);
	memcpy(point->workload, run->workload.name, strlen(run->workload.name) + 1);
	memcpy(point->engine, run->engine->ops->name, strlen(run->engine->ops->name) + 1);
	point->cut_ns = info->cut_ns;
	point->consistency = (enum consistency)info->consistency;
	point->full = run->result->full;
	if (run->result->fallback_reason)
		memcpy(point->fallback_reason, run->result->fallback_reason, strlen(run->result->fallback_reason) + 1);
	if (run->parent.found)
		memcpy(point->parent, run->parent.point.id, POINT_ID_SIZE);
}

static bool commit(struct backup *run, struct err **errp)
{
	describe_point(run);
	return cancel_check(run->options->cancel, errp) && run->engine->ops->check(run->cut, errp) &&
	       session_commit(run->session, &run->point, backup_inherits(run) ? &run->parent.point : NULL, errp);
}

void backup_want_attention(struct backup *run, const char *why)
{
	run->result->needs_attention = true;
	char *text = !why		      ? NULL
		     : run->result->attention ? file_format("%s; %s", run->result->attention, why)
					      : strdup(why);

	if (!text)
		return; /* no memory for it: the exit status tells */
	free(run->result->attention);
	run->result->attention = text;
}

/*
 * No change map began with this cut: the old one goes on counting from its own point, which stays the one to build on.
 * From the new point it would name too few, should the workload go on from an image that is older than this cut.
 */
static bool old_map_goes_on(const struct backup *run)
{
	return run->parent.change_map && strcmp(backup_cut_info(run)->tracking, run->parent.change_map) == 0;
}

static bool save_tracking(struct backup *run, struct err **errp)
{
	struct tracking tracking = {.known = true, .session = run->point.session};

	if (old_map_goes_on(run))
		return true;
	memcpy(tracking.point, run->point.id, POINT_ID_SIZE);
	memcpy(tracking.change_map, backup_cut_info(run)->tracking, sizeof(tracking.change_map));
	return tracking_save(run->repository, &run->workload, &tracking, errp);
}

static bool has_disk(const struct workload *workload, const char *name)
{
	for (size_t i = 0; i < workload->n_disks; i++)
		if (strcmp(workload->disks[i].name, name) == 0)
			return true;
	return false;
}

/* A disk that was protected until now, and is not any more, must not go unnoticed until it is needed. */
static void tell_missing_disks(struct backup *run)
{
	for (size_t i = 0; run->parent.found && i < run->parent.point.n_streams; i++) {
		const struct stream *stream = &run->parent.point.streams[i];

		if (stream->kind != STREAM_DISK || has_disk(&backup_cut_info(run)->workload, stream->name))
			continue;
		AUTO(freep)
		char *text = file_format("disk '%s', which the last point has, is not in this one", stream->name);
		backup_want_attention(run, text);
	}
}

/* Whoever looks for the newest by its time alone would find the other one. */
static void tell_wrong_clock(struct backup *run)
{
	char before[CLOCK_TEXT_SIZE], now[CLOCK_TEXT_SIZE];
	const struct point *parent = &run->parent.point;

	if (!run->parent.found || parent->cut_ns <= backup_cut_info(run)->cut_ns)
		return;
	AUTO(freep)
	char *text = file_format(
		"the point before is of %s, and now it is %s: the clock of this machine is wrong, or was then",
		clock_format(parent->cut_ns, before), clock_format(backup_cut_info(run)->cut_ns, now));
	backup_want_attention(run, text);
}

/* The point stands, so what fails here is told and is no failure of the backup. */
static void remember(struct backup *run)
{
	struct err *err = NULL;

	if (!save_tracking(run, &err)) {
		backup_want_attention(run, err_message(err));
		err_free(err);
		run->engine->ops->drop(STEAL(&run->cut));
		return;
	}
	if (!run->engine->ops->keep(STEAL(&run->cut), &err)) {
		backup_want_attention(run, err_message(err));
		err_free(err);
	}
}

static void report(struct backup *run)
{
	struct session_stats stats;

	session_get_stats(run->session, &stats);
	run->result->bytes_stored = stats.bytes_stored;
	run->result->consistency = run->point.consistency;
	memcpy(run->result->point, run->point.id, POINT_ID_SIZE);
}

static bool protect(struct backup *run, const char *name, struct err **errp)
{
	if (!prepare(run, name, errp) || !begin(run, errp) || !cut(run, errp))
		return false;
	if (run->parent.alarm)
		backup_want_attention(run, run->parent.alarm);
	if (run->parent.namesake)
		backup_want_attention(run, run->parent.namesake);
	if (backup_cut_info(run)->consistency_note)
		backup_want_attention(run, backup_cut_info(run)->consistency_note);
	tell_missing_disks(run);
	tell_wrong_clock(run);
	if (!backup_map_disks(run, errp) || !backup_check_maps(run, errp) || !store(run, errp))
		return false;
	backup_judge_mode(run);
	if (!commit(run, errp))
		return false;
	report(run);
	remember(run);
	return true;
}

/* After a failure: the cut is not kept, and what was stored is listed for the next run. The first error stays the one
 * that is told. */
static void give_up(struct backup *run)
{
	struct err *second = NULL;

	if (run->cut)
		run->engine->ops->drop(STEAL(&run->cut));
	if (run->session && !session_cancel(run->session, &second))
		err_free(second);
}

static void release(struct backup *run)
{
	for (size_t i = 0; i < run->n_maps; i++) {
		change_map_release(&run->maps[i]);
		change_map_release(&run->said[i]);
	}
	free(run->maps);
	free(run->said);
	free(run->tree_damaged);
	session_free(run->session);
	pack_reader_free(run->packs);
	point_release(&run->point);
	parent_release(&run->parent);
	workload_release(&run->workload);
	file_closep(&run->lock);
}

bool backup_run(struct repository *repository, struct engine *engine, const char *workload,
		const struct backup_options *options, struct backup_result *ret, struct err **errp)
{
	struct backup run = {.repository = repository, .engine = engine, .options = options, .result = ret, .lock = -1};
	uint64_t start = clock_monotonic_ns();

	*ret = (struct backup_result){.workload = strdup(workload)};
	bool ok = ret->workload ? protect(&run, workload, errp) : err_set_no_memory(errp);

	if (!ok) {
		give_up(&run);
		err_prefix(errp, "workload '%s'", workload);
	}
	ret->seconds = (double)(clock_monotonic_ns() - start) / 1e9;
	release(&run);
	return ok;
}

void backup_result_release(struct backup_result *result)
{
	free(result->workload);
	free(result->attention);
	*result = (struct backup_result){0};
}
